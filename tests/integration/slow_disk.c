/* Every write to a file on a disk takes 60 ms: preloaded into a program, it makes its disk a slow one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void wait_for_disk(int fd) {
  struct stat found;
  if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) usleep(60000);
}

#define SLOW(result, name, parameters, ...)                   \
  result name parameters {                                    \
    static result(*real) parameters;                          \
    if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
    wait_for_disk(fd);                                        \
    return real(__VA_ARGS__);                                 \
  }

SLOW(ssize_t, write, (int fd, const void *data, size_t size), fd, data, size)
SLOW(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), fd, data, size, at)
SLOW(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), fd, data, size, at)
SLOW(ssize_t, writev, (int fd, const struct iovec *pieces, int count), fd, pieces, count)
SLOW(ssize_t, pwritev, (int fd, const struct iovec *pieces, int count, off_t at), fd, pieces, count, at)
SLOW(ssize_t, pwritev64, (int fd, const struct iovec *pieces, int count, off64_t at), fd, pieces, count, at)
