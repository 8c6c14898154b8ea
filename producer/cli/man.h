/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "args.h"

#include "base/buf.h"

/* rollcall(1): every command and option, as roff. */
void man_rollcall(const struct verb *verbs, struct buf *out);
