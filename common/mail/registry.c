/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches a schema from a schema registry with Confluent's API. */
#include "mail/registry.h"

#include <curl/curl.h>
#include <jansson.h>
#include <string.h>

enum { ANSWER_MAX = 2 * 1024 * 1024, URL_MAX_LEN = 2048 };

static void free_easy(CURL **easy)
{
        curl_easy_cleanup(*easy);
}

static void free_json(json_t **j)
{
        json_decref(*j);
}

static size_t keep(char *data, size_t size, size_t n, void *ctx)
{
        struct buf *out = ctx;
        buf_add(out, data, size * n);
        return out->failed ? 0 : size * n;
}

static bool set_up(CURL *easy, const char *url, long timeout_ms, struct buf *answer)
{
        return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_USERAGENT, "rollcall") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer) == CURLE_OK;
}

/* {"schema": "…", "schemaType": "AVRO"}; without a type it is Avro. */
static int read_answer(const struct buf *answer, uint32_t id, struct buf *ret, struct err *e)
{
        json_t *j CLEANUP(free_json) = json_loadb(buf_str(answer), answer->len, 0, NULL);
        const json_t *schema = json_object_get(j, "schema"),
                     *type = json_object_get(j, "schemaType");
        if (!json_is_string(schema) ||
            (json_is_string(type) && strcmp(json_string_value(type), "AVRO") != 0))
                return err_set(e, ERR_INPUT, "", "schema registry: id %u is no Avro schema", id);
        buf_add(ret, json_string_value(schema), json_string_length(schema));
        return ret->failed ? err_set(e, ERR_INPUT, "",
                                     "schema registry: the schema of id %u is too large", id)
                           : 0;
}

int registry_schema(const char *base, uint32_t id, long timeout_ms, struct buf *ret, struct err *e)
{
        CURL *easy CLEANUP(free_easy) = curl_easy_init();
        struct buf answer BUF_CLEANUP = { .max = ANSWER_MAX };
        char url[URL_MAX_LEN];
        long status = 0;
        snprintf(url, sizeof url, "%s/schemas/ids/%u", base, id);
        if (!easy || !set_up(easy, url, timeout_ms, &answer))
                return err_set(
                        e, ERR_RETRY, "",
                        "schema registry: out of memory, or an address that libcurl does not take");
        CURLcode rc = curl_easy_perform(easy);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (answer.failed && !answer.oom)
                return err_set(e, ERR_INPUT, "",
                               "schema registry: the answer for id %u is too large", id);
        if (rc != CURLE_OK)
                return err_set(e, ERR_RETRY, "", "schema registry: %s", curl_easy_strerror(rc));
        if (status == 404)
                return err_set(e, ERR_INPUT, "", "schema registry: there is no schema with id %u",
                               id);
        if (status != 200)
                return err_set(e, ERR_RETRY, "", "schema registry: it answered %ld", status);
        return read_answer(&answer, id, ret, e);
}
