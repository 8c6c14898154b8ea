/* SPDX-License-Identifier: Apache-2.0 */
/* What came of a message. */
#include "mail/envelope.h"

#include <stdarg.h>
#include <stdio.h>

void envelope_set(struct envelope *m, enum send_state state, int code, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        m->state = state;
        m->code = code;
        vsnprintf(m->reason, sizeof m->reason, fmt, ap);
        va_end(ap);
}
