/* SPDX-License-Identifier: Apache-2.0 */
/* Signs webhooks, so that a receiver knows that a call is ours and unaltered. */
#include "mail/signature.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

enum { DIGEST = 32, ENCODED_MAX = (SIGNING_KEY_MAX + 2) / 3 * 4 };

int signing_key_read(const char *text, struct signing_key *ret, struct err *e)
{
        static const char prefix[] = "whsec_";
        unsigned char decoded[ENCODED_MAX / 4 * 3];
        const char *encoded = strncmp(text, prefix, sizeof prefix - 1) == 0
                                      ? text + sizeof prefix - 1
                                      : text;
        size_t len = strlen(encoded), padding = 0;
        while (padding < 2 && padding < len && encoded[len - 1 - padding] == '=')
                padding++;
        bool fits = len <= ENCODED_MAX &&
                    strspn(encoded,
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") +
                                    padding ==
                            len;
        int n = fits ? EVP_DecodeBlock(decoded, (const unsigned char *)encoded, (int)len) -
                                (int)padding
                     : -1;
        if (n >= SIGNING_KEY_MIN && n <= SIGNING_KEY_MAX) {
                memcpy(ret->bytes, decoded, (size_t)n);
                ret->len = (size_t)n;
        }
        explicit_bzero(decoded, sizeof decoded);
        if (n < SIGNING_KEY_MIN || n > SIGNING_KEY_MAX)
                return err_set(e, ERR_FATAL, "",
                               "expected a signing key: whsec_ and %d to %d bytes in base64",
                               SIGNING_KEY_MIN, SIGNING_KEY_MAX);
        return 0;
}

static void free_mac(EVP_MAC **mac)
{
        EVP_MAC_free(*mac);
}

static void free_context(EVP_MAC_CTX **context)
{
        EVP_MAC_CTX_free(*context);
}

static bool digest_of(const struct signing_key *key, const char *head, struct span body,
                      unsigned char ret[DIGEST])
{
        char sha256[] = "SHA256";
        const OSSL_PARAM options[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                                        sha256, 0),
                                       OSSL_PARAM_construct_end() };
        EVP_MAC *mac CLEANUP(free_mac) = EVP_MAC_fetch(NULL, "HMAC", NULL);
        EVP_MAC_CTX *context CLEANUP(free_context) = mac ? EVP_MAC_CTX_new(mac) : NULL;
        size_t len = 0;
        return context && EVP_MAC_init(context, key->bytes, key->len, options) &&
               EVP_MAC_update(context, (const unsigned char *)head, strlen(head)) &&
               EVP_MAC_update(context, (const unsigned char *)body.ptr, body.len) &&
               EVP_MAC_final(context, ret, &len, DIGEST) && len == DIGEST;
}

int webhook_sign(const struct signing_key *key, const char *id, int64_t second, struct span body,
                 char ret[SIGNATURE_TEXT], struct err *e)
{
        unsigned char digest[DIGEST], encoded[SIGNATURE_TEXT];
        char head[128];
        snprintf(head, sizeof head, "%s.%" PRId64 ".", id, second);
        if (!digest_of(key, head, body, digest))
                return err_set(e, ERR_RETRY, "", "libcrypto makes no HMAC-SHA256");
        EVP_EncodeBlock(encoded, digest, DIGEST);
        snprintf(ret, SIGNATURE_TEXT, "v1,%s", (const char *)encoded);
        return 0;
}
