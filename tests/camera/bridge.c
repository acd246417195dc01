/* Video nodes whose driver is another process: loaded by LD_PRELOAD into a program that captures.
 *
 * This knows no camera. An open of /dev/videoN becomes a connection to the driver (tests/camera/driver.py), which listens at the
 * abstract address in $CAMERA_DRIVER. The driver answers with an error number, or with the descriptor that the program gets (an
 * eventfd: readable while a frame waits) and one with the memory of all buffers. Every ioctl on that descriptor is sent over
 * the connection with its argument and comes back with what the driver made of it; an mmap maps the memory.
 *
 * Only the planes of a multi-planar v4l2_buffer are followed: the array goes behind the argument. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NODES 1024 /* descriptors that may be nodes: small numbers */
#define MOST (16384 + VIDEO_MAX_PLANES * (int)sizeof(struct v4l2_plane)) /* bytes of an argument: 14 bits say its size */

static struct node {
    int connection, memory; /* connection 0: this descriptor is no node */
    pthread_mutex_t turn;   /* a request waits for the answer to the one before */
} nodes[NODES];

struct head { uint32_t request, bytes; };
struct answer { int32_t result, error; };

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static struct node *node_of(int fd)
{
    return fd >= 0 && fd < NODES && nodes[fd].connection ? &nodes[fd] : NULL;
}

static int failed(int error)
{
    errno = error;
    return -1;
}

static int send_all(int connection, const void *data, size_t bytes)
{
    for (const char *at = data; bytes;) {
        ssize_t sent = send(connection, at, bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return 0;
        at += sent, bytes -= sent;
    }
    return 1;
}

static int receive_all(int connection, void *data, size_t bytes)
{
    for (char *at = data; bytes;) {
        ssize_t got = recv(connection, at, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        at += got, bytes -= got;
    }
    return 1;
}

/* The error number of the driver's answer to an open; fds are those that came with it. */
static int receive_opened(int connection, int fds[2])
{
    int32_t error = 0;
    struct iovec part = { &error, sizeof error };
    union { struct cmsghdr head; char room[CMSG_SPACE(2 * sizeof(int))]; } control;
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    ssize_t got;
    do
        got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got != sizeof error)
        return EIO;
    if (!error)
        memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), 2 * sizeof(int));
    return error;
}

static int open_node(const char *path)
{
    const char *driver = getenv("CAMERA_DRIVER");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    uint32_t length = strlen(path);
    int fds[2], error = ENODEV, connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || !driver || strlen(driver) > sizeof address.sun_path - 2)
        return failed(ENODEV);
    strcpy(address.sun_path + 1, driver);
    if (!connect(connection, (void *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(driver))
        && send_all(connection, &length, sizeof length) && send_all(connection, path, length))
        error = receive_opened(connection, fds);
    if (!error && fds[0] >= NODES)
        error = EMFILE;
    if (error) {
        ((int (*)(int))real("close"))(connection);
        return failed(error);
    }
    nodes[fds[0]] = (struct node){ connection, fds[1], PTHREAD_MUTEX_INITIALIZER };
    return fds[0];
}

static int is_node(const char *path)
{
    return path && !strncmp(path, "/dev/video", 10);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return is_node(path) ? open_node(path) : ((int (*)(const char *, int, ...))real(#name))(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return is_node(path) ? open_node(path) : ((int (*)(int, const char *, int, ...))real(#name))(folder, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int close(int fd)
{
    int (*real_close)(int) = real("close");
    struct node *node = node_of(fd);
    if (node) {
        int connection = node->connection;
        node->connection = 0;
        real_close(node->memory);
        real_close(connection);
    }
    return real_close(fd);
}

#define MMAP(name) \
    void *name(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) \
    { \
        static void *(*next)(void *, size_t, int, int, int, off_t); \
        struct node *node = node_of(fd); \
        if (!next) \
            next = real(#name); \
        return next(at, bytes, protection, flags, node ? node->memory : fd, offset); \
    }
MMAP(mmap)
MMAP(mmap64)

static struct v4l2_buffer *multiplanar(uint32_t request, void *argument)
{
    struct v4l2_buffer *buffer = argument;
    int is_buffer = request == VIDIOC_QUERYBUF || request == VIDIOC_QBUF || request == VIDIOC_DQBUF;
    return is_buffer && V4L2_TYPE_IS_MULTIPLANAR(buffer->type) && buffer->m.planes ? buffer : NULL;
}

static int ask(int connection, uint32_t request, void *argument)
{
    char data[MOST];
    uint32_t bytes = _IOC_SIZE(request), more = 0;
    struct v4l2_buffer *buffer = multiplanar(request, argument);
    struct v4l2_plane *planes = buffer ? buffer->m.planes : NULL;
    struct answer answer;
    if (buffer)
        more = (buffer->length < VIDEO_MAX_PLANES ? buffer->length : VIDEO_MAX_PLANES) * sizeof *planes;
    struct head head = { request, bytes + more };
    memcpy(data, argument, bytes);
    if (more)
        memcpy(data + bytes, planes, more);
    if (!send_all(connection, &head, sizeof head) || !send_all(connection, data, bytes + more)
        || !receive_all(connection, &answer, sizeof answer) || !receive_all(connection, data, bytes + more))
        return failed(ENODEV);
    memcpy(argument, data, bytes);
    if (more) {
        buffer->m.planes = planes;
        memcpy(planes, data + bytes, more);
    }
    return answer.result < 0 ? failed(answer.error) : answer.result;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    struct node *node = node_of(fd);
    if (!node)
        return ((int (*)(int, unsigned long, void *))real("ioctl"))(fd, request, argument);
    pthread_mutex_lock(&node->turn);
    int result = ask(node->connection, request, argument), error = errno;
    pthread_mutex_unlock(&node->turn);
    errno = error;
    return result;
}
