/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What operators name: "PACK.NAME", or a NAME that only one pack has. */
#include "cli.h"

/* Each loads the packs when need be. 0; CODE_NOT_FOUND, or CODE_USAGE for a name that several packs
 * have, after saying so. */
int job_find(struct cli *c, const char *name, const struct job **ret) MUST_CHECK;
int type_find(struct cli *c, const char *name, const struct task_type **ret) MUST_CHECK;
int report_find(struct cli *c, const char *name, const struct report **ret) MUST_CHECK;

/* The job, or NULL when the packs, which need not be loaded, do not have it. */
const struct job *job_known(const struct cli *c, const char *pack, const char *job);
/* The zone of a job's times; NULL (UTC) when the packs do not have the job. */
const struct zone *job_zone(const struct cli *c, const char *pack, const char *job);
