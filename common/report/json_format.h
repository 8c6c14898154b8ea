/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "report/rendering.h"

/* A value as JSON, indented from `depth` on; below 0: all on one line. */
void json_add(struct rendering *r, const struct json_node *v, int depth, struct buf *out);
