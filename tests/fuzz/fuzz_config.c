/* SPDX-License-Identifier: Apache-2.0 */
/* The service's configuration. Inputs with @include are passed over: they would read this machine's
 * files. */
#include "config/service.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct service *s CLEANUP(service_cleanup) = NULL;
        struct buf out BUF_CLEANUP;
        struct err e = ERR_INIT;
        buf_init(&out, 4 * 1024 * 1024);
        if (size && memmem(data, size, "@include", 8))
                return 0;
        if (service_load(fuzz_write("rollcall.cfg", fuzz_input(data, size)), &s, &e) < 0) {
                PROMISE(e.class == ERR_FATAL && e.text[0]);
                return 0;
        }
        service_print(s, &out);
        PROMISE(out.len > 0);
        return 0;
}
