/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "csv_tasks.h"

/* Waits for the outcome of every task of the file, and prints each. `requested_at`: an outcome that
 * is older was there already. `timeout_ms`: so long without any news. `worst` becomes the exit code
 * of the worst outcome. 0, or an exit code after saying why. */
int csv_outcomes_wait(struct csv_tasks *f, instant requested_at, int64_t timeout_ms, int *worst)
        MUST_CHECK;
