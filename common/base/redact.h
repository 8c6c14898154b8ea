/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Passwords stay out of what is shown: in a URI, in libpq's "keyword=value" text, and in messages
 * of libraries that quote either. */
#include "base/buf.h"

#define REDACTED "***"

/* Does a parameter of this name hold a secret? "password", "sasl.oauthbearer.client.secret", … */
bool redact_names_secret(const char *name, size_t len);
/* `text` (a URI, or keywords and values) with *** in place of each secret. */
void redact(const char *text, struct buf *out);
/* In `message`, in place: what stands in quotes and was taken from a secret part of `text` becomes
 * "***". */
void redact_message(const char *text, char *message);
