/* SPDX-License-Identifier: Apache-2.0 */
/* A pack: pack.cfg, then a statement and a template that it may name, as a.sql and a.txt. */
#include "fuzz.h"
#include "pack/pack_load.h"
#include "pack/statement.h"

#include <sys/stat.h>

static struct service *service;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        char path[4096];
        struct err e = ERR_INIT;
        (void)argc;
        (void)argv;
        snprintf(path, sizeof path, "%s/p", fuzz_folder());
        PROMISE(mkdir(path, 0700) == 0);
        PROMISE(service_load(fuzz_write("rollcall.cfg",
                                        SPAN_LIT("packs = ( { path = \"p\"; } );\n"
                                                 "database: { conninfo = \"dbname=x\"; };\n"
                                                 "kafka: { brokers = \"localhost:9092\"; };\n")),
                             &service, &e) == 0);
        return 0;
}

static void bind_all(const struct pack *p)
{
        for (size_t i = 0; i < p->n_types; i++) {
                struct bound_sql b = { 0 };
                struct err e = ERR_INIT;
                if (!p->types[i].statement.text)
                        continue;
                if (sql_bind(&p->types[i].statement, p, NULL, 0, 1, &b, &e) == 0)
                        PROMISE(b.text && b.first == 1);
                bound_sql_deinit(&b);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct packs *packs CLEANUP(packs_cleanup) = NULL;
        struct err e = ERR_INIT;
        struct span rest = fuzz_input(data, size);
        if (size && memmem(data, size, "@include", 8))
                return 0;
        fuzz_write("p/pack.cfg", fuzz_piece(&rest));
        fuzz_write("p/a.sql", fuzz_piece(&rest));
        fuzz_write("p/a.txt", fuzz_piece(&rest));
        if (packs_load(service, &packs, &e) < 0) {
                PROMISE(e.class == ERR_FATAL && e.text[0]);
                return 0;
        }
        for (size_t i = 0; i < packs->n; i++)
                bind_all(packs->list[i]);
        return 0;
}
