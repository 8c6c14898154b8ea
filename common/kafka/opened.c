/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits what a compressed batch may decompress to. librdkafka decompresses gzip and lz4 into
 * memory without a limit: a few kilobytes could end the process. A batch of zstd whose frame has no
 * content size, as most have none, it decompresses repeatedly into a buffer three times as large,
 * and fails below the limit. It calls libraries for all three, so functions of these names in the
 * program are used instead: they call those of the library, and report damaged data as soon as
 * there is more than OPENED_MAX. All codecs then fail alike, with _BAD_COMPRESSION; see
 * unreadable.c. They have no effect on a librdkafka that has its codecs built in.
 */
#include "kafka/opened.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#define EXPORTED __attribute__((visibility("default")))

enum { OPENED_MAX = 8 * 1024 * 1024 };

size_t opened_max(void)
{
        return OPENED_MAX;
}

/* The function of the library that ours replaces. POSIX allows to find a function as an object. */
static void *library_function(const char *name)
{
        return dlsym(RTLD_NEXT, name);
}

/* ---- gzip ---- */

EXPORTED int ZEXPORT inflate(z_streamp stream, int flush)
{
        static _Atomic(void *) found;
        int (*real)(z_streamp, int);
        if (!found)
                found = library_function("inflate");
        void *at = found;
        if (!at || (stream && stream->total_out > OPENED_MAX))
                return Z_DATA_ERROR;
        memcpy(&real, &at, sizeof real);
        return real(stream, flush);
}

/* ---- lz4 frames: liblz4's interface, whose header need not be installed ---- */

struct lz4_frame_info { /* LZ4F_frameInfo_t */
        int block_size, block_mode, content_checksum, frame_type;
        unsigned long long content_size;
        unsigned dictionary;
        int block_checksum;
};

size_t LZ4F_getFrameInfo(void *context, struct lz4_frame_info *info, const void *in,
                         size_t *in_size);
size_t LZ4F_decompress(void *context, void *out, size_t *out_size, const void *in, size_t *in_size,
                       const void *options);

enum { LZ4_FAILED = -1 }; /* LZ4F_ERROR_GENERIC */

/* One thread decompresses a batch without a break, and reads the header of the frame first. */
static _Thread_local struct {
        const void *context;
        size_t opened;
} lz4;

EXPORTED size_t LZ4F_getFrameInfo(void *context, struct lz4_frame_info *info, const void *in,
                                  size_t *in_size)
{
        static _Atomic(void *) found;
        size_t (*real)(void *, struct lz4_frame_info *, const void *, size_t *);
        if (!found)
                found = library_function("LZ4F_getFrameInfo");
        void *at = found;
        if (!at)
                return (size_t)LZ4_FAILED;
        memcpy(&real, &at, sizeof real);
        lz4.context = context;
        lz4.opened = 0;
        size_t rc = real(context, info, in, in_size);
        return info->content_size > OPENED_MAX ? (size_t)LZ4_FAILED : rc;
}

EXPORTED size_t LZ4F_decompress(void *context, void *out, size_t *out_size, const void *in,
                                size_t *in_size, const void *options)
{
        static _Atomic(void *) found;
        size_t (*real)(void *, void *, size_t *, const void *, size_t *, const void *);
        if (!found)
                found = library_function("LZ4F_decompress");
        void *at = found;
        if (lz4.context != context)
                lz4.opened = 0;
        lz4.context = context;
        if (!at || lz4.opened >= OPENED_MAX)
                return (size_t)LZ4_FAILED;
        memcpy(&real, &at, sizeof real);
        if (*out_size > OPENED_MAX - lz4.opened)
                *out_size = OPENED_MAX - lz4.opened;
        size_t rc = real(context, out, out_size, in, in_size, options);
        lz4.opened += *out_size;
        return rc;
}

/* ---- zstd: libzstd's interface, whose header need not be installed ---- */

struct zstd_buffer { /* ZSTD_inBuffer, ZSTD_outBuffer */
        const void *ptr;
        size_t size, pos;
};

unsigned long long ZSTD_getFrameContentSize(const void *in, size_t in_size);

static const unsigned long long ZSTD_FAILED = (unsigned long long)-2; /* ZSTD_CONTENTSIZE_ERROR */

struct zstd {
        void *(*create)(void);
        size_t (*destroy)(void *);
        size_t (*step)(void *, struct zstd_buffer *, struct zstd_buffer *);
        unsigned (*failed)(size_t);
};

static bool find_zstd(struct zstd *z)
{
        void *at[] = { library_function("ZSTD_createDStream"), library_function("ZSTD_freeDStream"),
                       library_function("ZSTD_decompressStream"),
                       library_function("ZSTD_isError") };
        for (size_t i = 0; i < sizeof at / sizeof *at; i++)
                if (!at[i])
                        return false;
        memcpy(&z->create, &at[0], sizeof z->create);
        memcpy(&z->destroy, &at[1], sizeof z->destroy);
        memcpy(&z->step, &at[2], sizeof z->step);
        memcpy(&z->failed, &at[3], sizeof z->failed);
        return true;
}

/* The bytes that all frames decompress to; they are not kept. */
static unsigned long long measure_zstd(const struct zstd *z, void *stream, const void *in,
                                       size_t in_size)
{
        char room[16 * 1024];
        unsigned long long opened = 0;
        struct zstd_buffer from = { in, in_size, 0 };
        for (;;) {
                struct zstd_buffer to = { room, sizeof room, 0 };
                size_t rc = z->step(stream, &to, &from);
                opened += to.pos;
                if (z->failed(rc) || opened > OPENED_MAX)
                        return ZSTD_FAILED;
                if (from.pos == from.size && to.pos < to.size)
                        return rc == 0 ? opened : ZSTD_FAILED;
        }
}

/* librdkafka calls this first, and allocates a buffer of that size. */
EXPORTED unsigned long long ZSTD_getFrameContentSize(const void *in, size_t in_size)
{
        struct zstd z;
        void *stream = find_zstd(&z) ? z.create() : NULL;
        if (!stream)
                return ZSTD_FAILED;
        unsigned long long opened = measure_zstd(&z, stream, in, in_size);
        z.destroy(stream);
        return opened;
}
