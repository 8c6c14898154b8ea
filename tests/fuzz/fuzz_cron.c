/* SPDX-License-Identifier: Apache-2.0 */
/* A cron expression, and instants in a zone with changes of its offset: next and previous must
 * agree. */
#include "fuzz.h"
#include "time/cron.h"

static struct zone *zones[2];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        static const instant at[] = { 1772953200 * INSTANT_SECOND, 1793512800 * INSTANT_SECOND,
                                      1804402800 * INSTANT_SECOND };
        static const int offset[] = { -4 * 3600, -5 * 3600, 45 * 60 };
        (void)argc;
        (void)argv;
        zones[0] = zone_new("gaps", -5 * 3600, at, offset, 3);
        zones[1] = zone_new("plain", 0, NULL, NULL, 0);
        PROMISE(zones[0] && zones[1]);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct span rest = fuzz_input(data, size);
        struct span piece = fuzz_piece(&rest);
        char *text CLEANUP(cleanup_free) = fuzz_text(piece);
        struct err e = ERR_INIT;
        struct cron c;
        int64_t seconds = 0;
        if (cron_parse(text, &c, &e) < 0) {
                PROMISE(e.class == ERR_FATAL && e.text[0]);
                return 0;
        }
        memcpy(&seconds, rest.len ? rest.ptr : "", rest.len < 4 ? rest.len : 4);
        for (size_t i = 0; i < 2; i++) {
                instant after = (1735689600 + seconds % (3 * 366 * 86400)) * INSTANT_SECOND + 1;
                instant next = cron_next(&c, zones[i], after);
                if (next == INSTANT_NONE)
                        continue;
                PROMISE(next > after && next % INSTANT_SECOND == 0);
                PROMISE(cron_next(&c, zones[i], next - 1) == next);
                PROMISE(cron_previous(&c, zones[i], next, INSTANT_NONE) == next);
                PROMISE(cron_previous(&c, zones[i], next - 1, after) == INSTANT_NONE);
        }
        return 0;
}
