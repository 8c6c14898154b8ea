/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the enums of common/model, for tests/integration/test_model.py: KIND, code, name and, of a
 * run's state, whether it is open, separated by tabs. */
#include "model/held_state.h"
#include "model/outcome.h"
#include "model/run_state.h"

#include <stdio.h>

int main(void)
{
        for (int i = 0; i < OUTCOME_COUNT; i++)
                printf("outcome\t%d\t%s\n", i, outcome_name((enum outcome)i));
        for (int i = 0; i < RUN_STATE_COUNT; i++)
                printf("run\t%d\t%s\t%s\n", i, run_state_name((enum run_state)i),
                       run_state_open((enum run_state)i) ? "open" : "closed");
        for (int i = 0; i < HELD_STATE_COUNT; i++)
                printf("held\t%d\t%s\n", i, held_state_name((enum held_state)i));
        return 0;
}
