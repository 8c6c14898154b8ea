/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a task must satisfy before any statement sees it. Pure. */
#include "entry.h"

/* Sets type, type_no, dry_run, subject_int of an entry with a decoded task, and READY; or DECIDED
 * or DEAD with a reason, or UNEXPECTED. `run` NULL for ad-hoc. Reasons are allocated in `a`. */
void admit_entry(struct entry *en, const struct packs *packs, const struct type_numbers *numbers,
                 struct run *run, struct arena *a);
/* The rest of it, for an UNEXPECTED entry whose run takes it after all. */
void admit_expected(struct entry *en, const struct type_numbers *numbers, struct arena *a);
/* A task that was parked as unknown for `waited_ms` of `wait_ms`, as it is now: PENDING, or ACTED.
 */
void admit_parked(struct entry *en, int64_t waited_ms, int64_t wait_ms, struct arena *a);
