/*
 * Bounds what a compressed batch may open to. librdkafka bounds zstd by receive.message.max.bytes;
 * gzip and lz4 it opens to whatever they hold, into memory: a few kilobytes could end the process.
 * It calls libraries for both, so a program's own functions of these names are taken instead: they
 * call the library's, and say that the data is damaged once it has given more than OPENED_MAX. All
 * codecs then fail alike, with _BAD_COMPRESSION; see unreadable.c. A librdkafka that has zlib and
 * lz4 built in does not pass here.
 */
#include "kafka/consumer.h"

#include <dlfcn.h>
#include <string.h>
#include <zlib.h>

#define EXPORTED __attribute__((visibility("default")))

enum { OPENED_MAX = 8 * 1024 * 1024 };

size_t opened_max(void)
{
        return OPENED_MAX;
}

/* The library's function behind ours. POSIX lets a function be found as an object. */
static void *behind(const char *name)
{
        return dlsym(RTLD_NEXT, name);
}

/* ---- gzip ---- */

EXPORTED int ZEXPORT inflate(z_streamp stream, int flush)
{
        static _Atomic(void *) found;
        int (*real)(z_streamp, int);
        if (!found)
                found = behind("inflate");
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

/* A batch is opened by one thread in one go, which begins by asking for the frame's head. */
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
                found = behind("LZ4F_getFrameInfo");
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
                found = behind("LZ4F_decompress");
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
