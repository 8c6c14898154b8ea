/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The signature of a webhook's body as the Standard Webhooks have it (standardwebhooks.com, 1.0):
 * HMAC-SHA256, symmetric keys. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdint.h>

enum { SIGNING_KEY_MIN = 24, SIGNING_KEY_MAX = 64, SIGNATURE_TEXT = 48 };

struct signing_key {
        uint8_t bytes[SIGNING_KEY_MAX];
        size_t len; /* 0: none */
};

/* From "whsec_" and 24 to 64 bytes in base64; the prefix may be absent. -1: it is something else
 * (ERR_FATAL), without saying what it is. */
int signing_key_read(const char *text, struct signing_key *ret, struct err *e) MUST_CHECK;
/* Of "ID.SECOND.BODY": "v1," and base64. -1: libcrypto refused (ERR_RETRY). */
int webhook_sign(const struct signing_key *key, const char *id, int64_t second, struct span body,
                 char ret[SIGNATURE_TEXT], struct err *e) MUST_CHECK;
