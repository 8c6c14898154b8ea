/* SPDX-License-Identifier: Apache-2.0 */
/* The small texts: instants, UUIDs, time spans, and values as packs declare them. */
#include "base/instant.h"
#include "base/uuid.h"
#include "config/words.h"
#include "fuzz.h"
#include "pack/pack.h"

static void check_instant(struct span s)
{
        char text[INSTANT_TEXT_MAX];
        instant t, again;
        if (!instant_parse(s.ptr, s.len, &t))
                return;
        instant_format(t, text);
        PROMISE(instant_parse(text, strlen(text), &again) && again == t);
}

static void check_uuid(struct span s)
{
        char text[UUID_TEXT_LEN + 1];
        struct uuid id, again;
        if (!uuid_parse(s.ptr, s.len, &id))
                return;
        uuid_to_text(id, text);
        PROMISE(uuid_parse(text, UUID_TEXT_LEN, &again) && uuid_eq(id, again));
}

static void check_duration(const char *s)
{
        struct buf out BUF_CLEANUP;
        int64_t ms, again;
        buf_init(&out, 256);
        if (!duration_parse(s, &ms))
                return;
        duration_format(ms, &out);
        PROMISE(duration_parse(buf_str(&out), &again) && again == ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text CLEANUP(cleanup_free) = fuzz_text(fuzz_input(data, size));
        char *exact CLEANUP(cleanup_free) = malloc(size ? size : 1);
        PROMISE(exact);
        memcpy(exact, text, size);
        struct span s = { exact, size };
        struct parameter d = { .name = "x", .min = INT64_MIN, .max = INT64_MAX };
        check_instant(s);
        check_uuid(s);
        check_duration(text);
        for (int type = VALUE_TEXT; type <= VALUE_TEXT_ARRAY; type++) {
                struct err e = ERR_INIT;
                d.type = (enum value_type)type;
                bool valid = value_valid(d.type, s);
                PROMISE((parameter_check(&d, s, &e) == 0) == valid);
        }
        return 0;
}
