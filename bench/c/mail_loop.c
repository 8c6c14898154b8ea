/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare loop that Rollcall's mail is measured against: libcurl's multi interface, connections
 * kept, one small message again and again. bench-mail URL MESSAGES CONNECTIONS      prints the
 * seconds
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct lane {
        CURL *easy;
        size_t given;
};

static const char message[] =
        "From: Bench <bench@example.org>\r\nTo: Person <p1@example.org>\r\nSubject: Your access "
        "ends\r\nMessage-ID: <1@example.org>\r\n"
        "Date: Mon, 04 May 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
        "charset=utf-8\r\n\r\n"
        "Dear Person,\r\n\r\nyour access ends soon. If you still need it, ask your supervisor for "
        "an\r\nextension before the date that the portal shows.\r\n\r\n"
        "This message was sent automatically.\r\n";

static size_t on_read(char *data, size_t size, size_t n, void *ctx)
{
        struct lane *l = ctx;
        size_t len = sizeof message - 1 - l->given;
        if (len > size * n)
                len = size * n;
        memcpy(data, message + l->given, len);
        l->given += len;
        return len;
}

static void die(const char *why)
{
        fprintf(stderr, "bench-mail: %s\n", why);
        exit(1);
}

static void prepare(struct lane *l, const char *url, struct curl_slist *to)
{
        l->easy = curl_easy_init();
        if (!l->easy)
                die("out of memory");
        curl_easy_setopt(l->easy, CURLOPT_URL, url);
        curl_easy_setopt(l->easy, CURLOPT_MAIL_FROM, "bench@example.org");
        curl_easy_setopt(l->easy, CURLOPT_MAIL_RCPT, to);
        curl_easy_setopt(l->easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(l->easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(l->easy, CURLOPT_READDATA, l);
        curl_easy_setopt(l->easy, CURLOPT_PRIVATE, l);
        curl_easy_setopt(l->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(sizeof message - 1));
}

/* Takes what is finished; gives each handle another message while there are some to start. */
static long take(CURLM *multi, long *left)
{
        long done = 0;
        int queued;
        for (CURLMsg *m; (m = curl_multi_info_read(multi, &queued));) {
                struct lane *l = NULL;
                CURL *easy = m->easy_handle;
                if (m->data.result != CURLE_OK)
                        die(curl_easy_strerror(m->data.result));
                curl_easy_getinfo(easy, CURLINFO_PRIVATE, &l);
                curl_multi_remove_handle(multi, easy);
                done++;
                if (*left == 0)
                        continue;
                (*left)--;
                l->given = 0;
                curl_multi_add_handle(multi, easy);
        }
        return done;
}

int main(int argc, char **argv)
{
        if (argc != 4)
                die("usage: bench-mail URL MESSAGES CONNECTIONS");
        long total = atol(argv[2]), n = atol(argv[3]), left = total;
        CURLM *multi = curl_multi_init();
        struct curl_slist *to = curl_slist_append(NULL, "p1@example.org");
        struct lane *lanes = calloc((size_t)n, sizeof *lanes);
        if (!multi || !to || !lanes)
                die("out of memory");
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, n);
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (long i = 0; i < n && left; i++, left--) {
                prepare(&lanes[i], argv[1], to);
                curl_multi_add_handle(multi, lanes[i].easy);
        }
        for (long done = 0; done < total;) {
                int running;
                if (curl_multi_perform(multi, &running) != CURLM_OK ||
                    curl_multi_poll(multi, NULL, 0, done + left < total ? 100 : 0, NULL) !=
                            CURLM_OK)
                        die("curl_multi failed");
                done += take(multi, &left);
        }
        clock_gettime(CLOCK_MONOTONIC, &b);
        printf("%.6f\n", (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
        for (long i = 0; i < n; i++)
                curl_easy_cleanup(lanes[i].easy);
        curl_multi_cleanup(multi);
        curl_slist_free_all(to);
        free(lanes);
        return 0;
}
