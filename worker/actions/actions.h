/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The actions. Each handles list[0..n), all PENDING and of the group's type. */
#include "actor.h"

int act_mail(struct actor *a, struct batch *b, const struct statement_group *g, struct entry **list,
             size_t n, struct err *e) MUST_CHECK;
int act_webhook(struct actor *a, struct batch *b, const struct statement_group *g,
                struct entry **list, size_t n, struct err *e) MUST_CHECK;
int act_report(struct actor *a, struct batch *b, const struct statement_group *g,
               struct entry **list, size_t n, struct err *e) MUST_CHECK;
int act_files(struct actor *a, struct batch *b, const struct statement_group *g,
              struct entry **list, size_t n, struct err *e) MUST_CHECK;
