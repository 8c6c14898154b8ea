/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, and what is made of many of them. */
#include "base/uuid.h"

#include "base/hex.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Ids are made by the million: the algorithm is looked up once, its context kept by each thread. */
static EVP_MD *sha1;
static pthread_key_t contexts;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
        EVP_MD_CTX_free(context);
}

static void load_sha1(void)
{
        sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
        if (!sha1 || pthread_key_create(&contexts, free_context) != 0)
                abort(); /* without ids nothing can be done, and nothing has been done yet */
}

static EVP_MD_CTX *context(void)
{
        pthread_once(&once, load_sha1);
        EVP_MD_CTX *c = pthread_getspecific(contexts);
        if (c)
                return c;
        c = EVP_MD_CTX_new();
        if (!c || pthread_setspecific(contexts, c) != 0)
                abort();
        return c;
}

static struct uuid versioned(const uint8_t bytes[16], unsigned version)
{
        struct uuid u;
        memcpy(u.b, bytes, sizeof u.b);
        u.b[6] = (uint8_t)((u.b[6] & 0x0f) | version << 4);
        u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80); /* RFC 9562's variant */
        return u;
}

struct uuid uuid_v5_joined(struct uuid space, const struct span *parts, size_t n)
{
        uint8_t digest[EVP_MAX_MD_SIZE];
        EVP_MD_CTX *c = context();
        int ok = EVP_DigestInit_ex2(c, sha1, NULL) && EVP_DigestUpdate(c, space.b, sizeof space.b);
        for (size_t i = 0; ok && i < n; i++)
                ok = (i == 0 || EVP_DigestUpdate(c, "", 1)) &&
                     EVP_DigestUpdate(c, parts[i].ptr, parts[i].len);
        if (!ok || !EVP_DigestFinal_ex(c, digest, NULL))
                abort();
        return versioned(digest, 5);
}

struct uuid uuid_v5(struct uuid space, const void *name, size_t len)
{
        return uuid_v5_joined(space, &(struct span){ name, len }, 1);
}

struct uuid uuid_random(void)
{
        uint8_t bytes[16];
        /* so few bytes come whole, once the kernel has any */
        while (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
                if (errno != EINTR)
                        abort();
        return versioned(bytes, 4);
}

bool uuid_parse(const char *text, size_t len, struct uuid *ret)
{
        struct uuid u;
        if (len != UUID_TEXT_LEN)
                return false;
        for (size_t i = 0, n = 0; i < UUID_TEXT_LEN;) {
                if (i == 8 || i == 13 || i == 18 || i == 23) {
                        if (text[i++] != '-')
                                return false;
                        continue;
                }
                int hi = hex_value(text[i]), lo = hex_value(text[i + 1]);
                if (hi < 0 || lo < 0)
                        return false;
                u.b[n++] = (uint8_t)(hi << 4 | lo);
                i += 2;
        }
        *ret = u;
        return true;
}

void uuid_to_text(struct uuid u, char text[UUID_TEXT_LEN + 1])
{
        static const int groups[] = { 4, 2, 2, 2, 6 };
        const uint8_t *from = u.b;
        char *p = text;
        for (size_t i = 0; i < ARRAY_LEN(groups); from += groups[i++]) {
                if (i)
                        *p++ = '-';
                p = hex_encode(p, from, (size_t)groups[i]);
        }
        *p = '\0';
}

bool uuid_eq(struct uuid a, struct uuid b)
{
        return memcmp(a.b, b.b, sizeof a.b) == 0;
}

bool uuid_is_nil(struct uuid u)
{
        return uuid_eq(u, (struct uuid){ { 0 } });
}

void uuid_digest_add(struct uuid_digest *d, struct uuid u)
{
        uint64_t half[2];
        memcpy(half, u.b, sizeof half);
        d->a ^= be64toh(half[0]);
        d->b ^= be64toh(half[1]);
}
