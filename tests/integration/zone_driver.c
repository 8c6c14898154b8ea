/* SPDX-License-Identifier: Apache-2.0 */
/* For each line "ZONE SECOND" of standard input: the offset then, and what zone_to_instant makes of
 * that local time. */
#include "time/zone.h"

#include <stdio.h>
#include <string.h>

int main(void)
{
        char name[100], last[100] = "";
        long long second;
        struct zone *z = NULL;
        struct err e = ERR_INIT;
        while (scanf("%99s %lld", name, &second) == 2) {
                if (strcmp(name, last) != 0) {
                        zone_free(z);
                        z = NULL;
                        if (zone_load(name, &z, &e) < 0) {
                                fprintf(stderr, "%s\n", e.text);
                                return 1;
                        }
                        snprintf(last, sizeof last, "%s", name);
                }
                instant back = 0;
                int offset = zone_offset(z, second * INSTANT_SECOND);
                enum zone_occurrence kind = zone_to_instant(z, second + offset, &back);
                printf("%d %d %lld\n", offset, kind, (long long)(back / INSTANT_SECOND));
        }
        zone_free(z);
        return 0;
}
