/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For builds under ThreadSanitizer alone. librdkafka takes its threads and locks from C11's
 * functions, which gcc's runtime does not know: it crashed at such a thread's first allocation, and
 * saw no order between what two of them did. Here they are POSIX's, which it knows; in glibc both
 * are the same objects. Read-write locks, POSIX's already, pass through here because what
 * librdkafka calls by itself is not looked at (see suppressions).
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t),
               "glibc's");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t) && sizeof(once_flag) == sizeof(pthread_once_t),
               "glibc's");

struct start {
        thrd_start_t run;
        void *arg;
};

static void *run(void *p)
{
        struct start s = *(struct start *)p;
        free(p);
        return (void *)(intptr_t)s.run(s.arg);
}

static int answer(int error)
{
        return error == 0           ? thrd_success
               : error == ETIMEDOUT ? thrd_timedout
               : error == EBUSY     ? thrd_busy
               : error == ENOMEM    ? thrd_nomem
                                    : thrd_error;
}

int thrd_create(thrd_t *thread, thrd_start_t fn, void *arg)
{
        struct start *s = malloc(sizeof *s);
        if (!s)
                return thrd_nomem;
        *s = (struct start){ fn, arg };
        int error = pthread_create(thread, NULL, run, s);
        if (error)
                free(s);
        return answer(error);
}

int thrd_join(thrd_t thread, int *ret)
{
        void *result = NULL;
        int error = pthread_join(thread, &result);
        if (error == 0 && ret)
                *ret = (int)(intptr_t)result;
        return answer(error);
}

void call_once(once_flag *flag, void (*fn)(void))
{
        pthread_once((pthread_once_t *)flag, fn);
}

int mtx_init(mtx_t *m, int type)
{
        pthread_mutexattr_t attr;
        pthread_mutexattr_init(&attr);
        pthread_mutexattr_settype(&attr, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE
                                                              : PTHREAD_MUTEX_NORMAL);
        return answer(pthread_mutex_init((pthread_mutex_t *)m, &attr));
}

void mtx_destroy(mtx_t *m)
{
        pthread_mutex_destroy((pthread_mutex_t *)m);
}

int mtx_lock(mtx_t *m)
{
        return answer(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m)
{
        return answer(pthread_mutex_unlock((pthread_mutex_t *)m));
}

int cnd_init(cnd_t *c)
{
        return answer(pthread_cond_init((pthread_cond_t *)c, NULL));
}

void cnd_destroy(cnd_t *c)
{
        pthread_cond_destroy((pthread_cond_t *)c);
}

int cnd_signal(cnd_t *c)
{
        return answer(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
        return answer(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
        return answer(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
        return answer(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}

/* The next one is the runtime's. */
#define THROUGH(name, ...)               \
        static int (*next)(__VA_ARGS__); \
        if (!next)                       \
        *(void **)&next = dlsym(RTLD_NEXT, name)

int pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *attr)
{
        THROUGH("pthread_rwlock_init", pthread_rwlock_t *, const pthread_rwlockattr_t *);
        return next(l, attr);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
        THROUGH("pthread_rwlock_rdlock", pthread_rwlock_t *);
        return next(l);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
        THROUGH("pthread_rwlock_wrlock", pthread_rwlock_t *);
        return next(l);
}

int pthread_rwlock_unlock(pthread_rwlock_t *l)
{
        THROUGH("pthread_rwlock_unlock", pthread_rwlock_t *);
        return next(l);
}
