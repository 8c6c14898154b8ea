-- SPDX-License-Identifier: Apache-2.0
j.suspended as is_suspended, j.suspended_by, j.suspended_at, j.suspended_reason,
       j.suspended_with_all
