/* SPDX-License-Identifier: Apache-2.0 */
/* Posts one webhook, signed, and judges the answer. */
#include "mail/webhook.h"

#include <curl/curl.h>
#include <stdio.h>

#define AFTER_MAX INT64_C(3600) /* seconds that a Retry-After is honoured, at most */

static size_t discard(char *data, size_t size, size_t n, void *ctx)
{
        (void)data;
        (void)ctx;
        return size * n;
}

static void free_easy(CURL **easy)
{
        curl_easy_cleanup(*easy);
}

static void free_list(struct curl_slist **list)
{
        curl_slist_free_all(*list);
}

static bool set_up(CURL *easy, const struct webhook_options *o, struct span json,
                   struct curl_slist *headers)
{
        return o->timeout_ms > 0 && curl_easy_setopt(easy, CURLOPT_URL, o->url) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
               (!o->ca_file || curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file) == CURLE_OK) &&
               curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, o->timeout_ms) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_USERAGENT, "rollcall") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json.len) ==
                       CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_POSTFIELDS, json.ptr) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard) == CURLE_OK;
}

static void judge(CURL *easy, CURLcode result, struct envelope *m)
{
        long status = 0, sent = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
        curl_off_t after = 0; /* seconds, also where the header names an instant */
        curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
        m->after_ms = after <= 0 ? 0 : after < AFTER_MAX ? (int64_t)after * 1000 : AFTER_MAX * 1000;
        bool later = status == 408 || status == 425 || status == 429 || status >= 500;
        if (status >= 200 && status < 300)
                envelope_set(m, SEND_DONE, (int)status, "%s", "");
        else if (status >= 300)
                envelope_set(m, later ? SEND_DEFERRED : SEND_REFUSED, (int)status,
                             "the webhook answered %ld", status);
        else
                envelope_set(m, sent > 0 ? SEND_UNKNOWN : SEND_DEFERRED, 0, "webhook: %s",
                             curl_easy_strerror(result));
}

/* Headers of Standard Webhooks, and our own; NULL: out of memory. */
static struct curl_slist *headers_of(const struct webhook_options *o, const char *signature)
{
        char second[24];
        snprintf(second, sizeof second, "%lld", (long long)o->second);
        const struct {
                const char *name, *value;
        } given[] = {
                { "Content-Type", "application/json" },
                { "webhook-id", o->id },
                { "webhook-timestamp", o->id ? second : NULL },
                { "webhook-signature", signature },
                { "rollcall-type", o->type },
                { "traceparent", o->trace },
        };
        struct curl_slist *list = NULL;
        for (size_t i = 0; i < ARRAY_LEN(given); i++) {
                char line[300];
                if (!given[i].value)
                        continue;
                snprintf(line, sizeof line, "%s: %s", given[i].name, given[i].value);
                struct curl_slist *longer = curl_slist_append(list, line);
                if (!longer) {
                        curl_slist_free_all(list);
                        return NULL;
                }
                list = longer;
        }
        return list;
}

int webhook_post(const struct webhook_options *o, struct span json, struct envelope *ret_state)
{
        CURL *easy CLEANUP(free_easy) = curl_easy_init();
        char signature[SIGNATURE_TEXT];
        struct err why = ERR_INIT;
        bool failed = o->key && webhook_sign(o->key, o->id, o->second, json, signature, &why) < 0;
        struct curl_slist *headers CLEANUP(free_list) = headers_of(o, o->key ? signature : NULL);
        if (failed)
                envelope_set(ret_state, SEND_DEFERRED, 0, "webhook: %s", why.text);
        else if (!easy || !headers || !set_up(easy, o, json, headers))
                envelope_set(ret_state, SEND_DEFERRED, 0,
                             "webhook: out of memory, or an option that libcurl does not take");
        else
                judge(easy, curl_easy_perform(easy), ret_state);
        return ret_state->state == SEND_DONE ? 0 : -1;
}
