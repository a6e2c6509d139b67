/*
 * Records what a process does to the files below one directory, in order and with data, so that the
 * directory a power cut would have left can be built afterwards. Loaded with LD_PRELOAD.
 *
 *   RIALTO_POWER_CUT_DIR    the directory, as a canonical path
 *   RIALTO_POWER_CUT_LOG    the file that takes the record
 *   RIALTO_POWER_CUT_LIMIT  bytes of it (default 1 GiB); when they are used up, the power goes out:
 *                           the process kills itself
 *
 * Each operation and its entry happen under one mutex, so the order of entries is the order of
 * operations. A sync runs outside of it; its entry is written when it has returned and names the last
 * operation that had happened when it began, because what came in between may not be covered.
 * sync_file_range promises nothing and is not recorded. Files are told apart by inode number, so
 * duplicated descriptors need no care.
 *
 * Not seen: system calls made without the C library (rustix does that by default), memory maps, hard
 * links, O_TMPFILE, asynchronous I/O.
 */
#define _GNU_SOURCE
#define _LARGEFILE64_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum op { CREATE = 1, OPEN, WRITE, TRUNCATE, SYNC, SYNC_DIRECTORY, RENAME, REMOVE, MAKE_DIRECTORY };

/* One entry, little endian on every machine this runs on, followed by `length` bytes. */
struct entry {
    uint64_t op;
    uint64_t inode;
    uint64_t number; /* offset of a write, length of a truncation, last operation before a sync */
    uint64_t length;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static dev_t root_device;
static int log_fd = -1;
static uint64_t operations;
static uint64_t log_bytes;
static uint64_t log_bytes_max = 1ull << 30;

/* Inodes of regular files seen below the directory: an open-addressed table of a fixed size. */
#define SEEN_SIZE 65536
static uint64_t seen[SEEN_SIZE];

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void give_up(const char *why) {
    (void)!write(2, why, strlen(why));
    kill(getpid(), SIGKILL);
}

static void start(void) {
    static int started;
    if (started) return;
    started = 1;
    const char *directory = getenv("RIALTO_POWER_CUT_DIR");
    const char *log = getenv("RIALTO_POWER_CUT_LOG");
    const char *limit = getenv("RIALTO_POWER_CUT_LIMIT");
    if (!directory || !log || strlen(directory) >= sizeof root) return;
    if (limit) log_bytes_max = strtoull(limit, NULL, 10);
    strcpy(root, directory);
    root_length = strlen(root);
    struct stat status;
    if (stat(root, &status) != 0) give_up("power cut shim: the directory is not there\n");
    root_device = status.st_dev;
    log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0) give_up("power cut shim: the log cannot be opened\n");
}

static void lock(void) {
    pthread_mutex_lock(&mutex);
    start();
}

static void unlock(void) { pthread_mutex_unlock(&mutex); }

static void write_fully(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t wrote = syscall(SYS_write, log_fd, at, length);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) give_up("power cut shim: the log cannot be written\n");
        at += wrote;
        length -= wrote;
    }
}

/* Records an operation that has just happened. The mutex is held; errno is kept. */
static void record(enum op op, uint64_t inode, uint64_t number, const void *data, size_t length) {
    int kept = errno;
    struct entry entry = {op, inode, number, length};
    log_bytes += sizeof entry + length;
    if (log_bytes > log_bytes_max) give_up("power cut shim: the log is full\n");
    write_fully(&entry, sizeof entry);
    if (length) write_fully(data, length);
    operations++;
    errno = kept;
}

static int is_seen(uint64_t inode, int insert) {
    for (size_t step = 0; step < SEEN_SIZE; step++) {
        uint64_t *slot = &seen[(inode * 0x9E3779B97F4A7C15ull + step) % SEEN_SIZE];
        if (*slot == inode) return 1;
        if (*slot == 0) {
            if (insert) *slot = inode;
            return 0;
        }
    }
    give_up("power cut shim: too many files\n");
    return 0;
}

/* The path below the directory, or NULL. */
static const char *below(const char *path) {
    if (log_fd < 0 || strncmp(path, root, root_length) != 0) return NULL;
    if (path[root_length] == 0) return "";
    return path[root_length] == '/' ? path + root_length + 1 : NULL;
}

static const char *path_of_fd(int fd, char *buffer) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, buffer, PATH_MAX - 1);
    if (length < 0) return NULL;
    buffer[length] = 0;
    return below(buffer);
}

/* Where an entry of a directory stands, resolving all but its last component. */
static const char *path_of_entry(int directory, const char *path, char *buffer) {
    char whole[2 * PATH_MAX];
    if (path[0] == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        char base[PATH_MAX], name[64];
        if (directory == AT_FDCWD)
            snprintf(name, sizeof name, "/proc/self/cwd");
        else
            snprintf(name, sizeof name, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(name, base, sizeof base - 1);
        if (length < 0) return NULL;
        base[length] = 0;
        snprintf(whole, sizeof whole, "%s/%s", base, path);
    }
    size_t end = strlen(whole);
    while (end > 1 && whole[end - 1] == '/') whole[--end] = 0;
    char *slash = strrchr(whole, '/');
    if (!slash) return NULL;
    *slash = 0;
    if (!realpath(*whole ? whole : "/", buffer)) return NULL;
    size_t length = strlen(buffer);
    snprintf(buffer + length, 2 * PATH_MAX - length, "/%s", slash + 1);
    return below(buffer);
}

/* The inode of a regular file that is recorded, or 0. */
static uint64_t recorded(int fd) {
    struct stat status;
    if (log_fd < 0 || fd == log_fd || fstat(fd, &status) != 0) return 0;
    if (!S_ISREG(status.st_mode) || status.st_dev != root_device) return 0;
    return is_seen(status.st_ino, 0) ? status.st_ino : 0;
}

static void opened(int fd, int flags, int existed) {
    int kept = errno;
    char buffer[2 * PATH_MAX];
    struct stat status;
    const char *path = path_of_fd(fd, buffer);
    if (path && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        int known = is_seen(status.st_ino, 1);
        if (!existed)
            record(CREATE, status.st_ino, 0, path, strlen(path));
        else if (!known)
            record(OPEN, status.st_ino, 0, path, strlen(path));
        if (existed && (flags & O_TRUNC)) record(TRUNCATE, status.st_ino, 0, NULL, 0);
    }
    errno = kept;
}

static int open_any(int directory, const char *path, int flags, mode_t mode) {
    lock();
    int existed = !(flags & O_CREAT) || faccessat(directory, path, F_OK, 0) == 0;
    int fd = syscall(SYS_openat, directory, path, flags, mode);
    if (fd >= 0) opened(fd, flags, existed);
    unlock();
    return fd;
}

#define MODE_ARGUMENT \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
    }

int open(const char *path, int flags, ...) {
    MODE_ARGUMENT
    return open_any(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE_ARGUMENT
    return open_any(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    MODE_ARGUMENT
    return open_any(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    MODE_ARGUMENT
    return open_any(directory, path, flags | O_LARGEFILE, mode);
}

int creat(const char *path, mode_t mode) {
    return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode) {
    return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_LARGEFILE, mode);
}

static uint64_t position(int fd) {
    struct stat status;
    if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &status) == 0) return status.st_size;
    off64_t at = lseek64(fd, 0, SEEK_CUR);
    return at < 0 ? 0 : (uint64_t)at;
}

static void wrote(uint64_t inode, uint64_t at, const struct iovec *parts, int count, ssize_t total) {
    for (int index = 0; index < count && total > 0; index++) {
        size_t length = parts[index].iov_len;
        if ((ssize_t)length > total) length = total;
        if (length) record(WRITE, inode, at, parts[index].iov_base, length);
        at += length;
        total -= length;
    }
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(write);
    struct stat status;
    /* Pipes and terminals may block: they must not hold the mutex. */
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return real(fd, bytes, length);
    lock();
    uint64_t inode = recorded(fd);
    uint64_t at = inode ? position(fd) : 0;
    ssize_t total = real(fd, bytes, length);
    struct iovec part = {(void *)bytes, length};
    if (inode && total > 0) wrote(inode, at, &part, 1, total);
    unlock();
    return total;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return real(fd, parts, count);
    lock();
    uint64_t inode = recorded(fd);
    uint64_t at = inode ? position(fd) : 0;
    ssize_t total = real(fd, parts, count);
    if (inode && total > 0) wrote(inode, at, parts, count, total);
    unlock();
    return total;
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *bytes, size_t length, offset_type at) { \
        REAL(name); \
        lock(); \
        uint64_t inode = recorded(fd); \
        ssize_t total = real(fd, bytes, length, at); \
        struct iovec part = {(void *)bytes, length}; \
        if (inode && total > 0) wrote(inode, at, &part, 1, total); \
        unlock(); \
        return total; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PWRITEV(name, offset_type) \
    ssize_t name(int fd, const struct iovec *parts, int count, offset_type at) { \
        REAL(name); \
        lock(); \
        uint64_t inode = recorded(fd); \
        ssize_t total = real(fd, parts, count, at); \
        if (inode && total > 0) wrote(inode, at, parts, count, total); \
        unlock(); \
        return total; \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define FTRUNCATE(name, offset_type) \
    int name(int fd, offset_type length) { \
        REAL(name); \
        lock(); \
        uint64_t inode = recorded(fd); \
        int result = real(fd, length); \
        if (inode && result == 0) record(TRUNCATE, inode, length, NULL, 0); \
        unlock(); \
        return result; \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

/* Only growth shows; punching holes is refused, and callers fall back to writing. */
static int allocate(int fd, int mode, off64_t at, off64_t length) {
    lock();
    uint64_t inode = recorded(fd);
    if (inode && (mode & ~FALLOC_FL_KEEP_SIZE)) {
        unlock();
        errno = EOPNOTSUPP;
        return -1;
    }
    int result = syscall(SYS_fallocate, fd, mode, at, length);
    struct stat status;
    if (inode && result == 0 && fstat(fd, &status) == 0)
        record(TRUNCATE, inode, status.st_size, NULL, 0);
    unlock();
    return result;
}

int fallocate(int fd, int mode, off_t at, off_t length) { return allocate(fd, mode, at, length); }
int fallocate64(int fd, int mode, off64_t at, off64_t length) {
    return allocate(fd, mode, at, length);
}
int posix_fallocate(int fd, off_t at, off_t length) {
    return allocate(fd, 0, at, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t at, off64_t length) {
    return allocate(fd, 0, at, length) == 0 ? 0 : errno;
}

/* Copies inside the kernel are refused, and callers fall back to reading and writing. */
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t length,
                        unsigned flags) {
    lock();
    uint64_t inode = recorded(out);
    unlock();
    if (inode) {
        errno = EXDEV;
        return -1;
    }
    return syscall(SYS_copy_file_range, in, in_at, out, out_at, length, flags);
}

ssize_t sendfile64(int out, int in, off64_t *at, size_t length) {
    lock();
    uint64_t inode = recorded(out);
    unlock();
    if (inode) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_sendfile, out, in, at, length);
}

static int synced(int fd, int (*real)(int)) {
    lock();
    uint64_t before = operations;
    unlock();
    int result = real(fd);
    if (result != 0) return result;
    lock();
    int kept = errno;
    struct stat status;
    char buffer[2 * PATH_MAX];
    if (log_fd >= 0 && fstat(fd, &status) == 0 && status.st_dev == root_device) {
        const char *path;
        if (S_ISREG(status.st_mode) && is_seen(status.st_ino, 0))
            record(SYNC, status.st_ino, before, NULL, 0);
        else if (S_ISDIR(status.st_mode) && (path = path_of_fd(fd, buffer)))
            record(SYNC_DIRECTORY, 0, before, path, strlen(path));
    }
    errno = kept;
    unlock();
    return result;
}

int fsync(int fd) {
    REAL(fsync);
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return synced(fd, real);
}

static int rename_any(int from_directory, const char *from, int to_directory, const char *to,
                      unsigned flags) {
    lock();
    char from_buffer[2 * PATH_MAX], to_buffer[2 * PATH_MAX], both[4 * PATH_MAX];
    const char *from_path = path_of_entry(from_directory, from, from_buffer);
    const char *to_path = path_of_entry(to_directory, to, to_buffer);
    int result = syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    if (result == 0 && from_path && to_path) {
        size_t length = strlen(from_path);
        memcpy(both, from_path, length + 1);
        strcpy(both + length + 1, to_path);
        record(RENAME, 0, 0, both, length + 1 + strlen(to_path));
    }
    unlock();
    return result;
}

int rename(const char *from, const char *to) { return rename_any(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return rename_any(from_directory, from, to_directory, to, 0);
}
int renameat2(int from_directory, const char *from, int to_directory, const char *to,
              unsigned flags) {
    return rename_any(from_directory, from, to_directory, to, flags);
}

static int remove_any(int directory, const char *path, int flags) {
    lock();
    char buffer[2 * PATH_MAX];
    const char *entry = path_of_entry(directory, path, buffer);
    int result = syscall(SYS_unlinkat, directory, path, flags);
    if (result == 0 && entry) record(REMOVE, 0, 0, entry, strlen(entry));
    unlock();
    return result;
}

int unlink(const char *path) { return remove_any(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return remove_any(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int directory, const char *path, int flags) {
    return remove_any(directory, path, flags);
}

int mkdirat(int directory, const char *path, mode_t mode) {
    lock();
    char buffer[2 * PATH_MAX];
    const char *entry = path_of_entry(directory, path, buffer);
    int result = syscall(SYS_mkdirat, directory, path, mode);
    if (result == 0 && entry) record(MAKE_DIRECTORY, 0, 0, entry, strlen(entry));
    unlock();
    return result;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
