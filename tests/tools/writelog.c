// LD_PRELOAD: what a process does to the files of one flat folder (WRITELOG_DIR, absolute), in order.
//
// - WRITELOG=path: every open, write, truncation, sync, unlink and rename is appended to that log. Its format is in
//   tests/powerloss/log.rs.
// - FAIL_AT=n, FAIL_COUNT=m, FAIL_HOW=eio|enospc|short|eintr: the nth write, sync or truncation, and the m - 1 after it, fail so
//   (where a call cannot be short or interrupted, with EIO). WRITELOG_TOTAL=1 says
//   on stderr how many there were.
//
// A call is made and written down under one lock, so that the order of the log is the order of the calls. What would change a
// file unseen ends the process: a log with holes would prove nothing.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPENED = 1, CREATED, WRITTEN, TRUNCATED, SYNCED, UNLINKED, RENAMED, FOLDER_SYNCED, SYNC_FAILED };
enum { KNOWN = 4096, NAME = 256 };

static struct known { dev_t dev; ino_t ino; uint64_t file; int folder; char name[NAME]; } known[KNOWN];
static int files;
static uint64_t next_file = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *dir;
static size_t dir_len;
static int out = -1;
static long calls, fail_at = -1, fail_count = 1;
static const char *fail_how = "eio";

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void die(const char *what) {
    dprintf(2, "writelog: %s is not recorded\n", what);
    _exit(99);
}

__attribute__((constructor)) static void begin(void) {
    dir = getenv("WRITELOG_DIR");
    dir_len = dir ? strlen(dir) : 0;
    const char *path = getenv("WRITELOG");
    if (path) out = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (getenv("FAIL_AT")) fail_at = atol(getenv("FAIL_AT"));
    if (getenv("FAIL_COUNT")) fail_count = atol(getenv("FAIL_COUNT"));
    if (getenv("FAIL_HOW")) fail_how = getenv("FAIL_HOW");
    // Children of the child are nobody's business.
    unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) static void end(void) {
    if (getenv("WRITELOG_TOTAL")) dprintf(2, "writelog: %ld calls\n", calls);
}

static void note(uint8_t kind, uint64_t file, uint64_t number, const char *name, const void *data, size_t length) {
    if (out < 0) return;
    struct __attribute__((packed)) { uint8_t kind; uint64_t file, number; uint32_t name, data; } head =
        { kind, file, number, (uint32_t)strlen(name), (uint32_t)length };
    struct iovec parts[3] = { { &head, sizeof head }, { (void *)name, head.name }, { (void *)data, length } };
    ssize_t all = (ssize_t)(sizeof head + head.name + length);
    if (syscall(SYS_writev, out, parts, 3) != all) die("what does not fit into the log");
}

// The name below the folder; the empty one for the folder itself; none for what lies elsewhere.
static const char *below(const char *path) {
    if (!dir || !path || strncmp(path, dir, dir_len)) return NULL;
    if (!path[dir_len]) return "";
    if (path[dir_len] != '/') return NULL;
    const char *name = path + dir_len + 1;
    if (strchr(name, '/') || strlen(name) >= NAME) die("a folder in the folder");
    return name;
}

static struct known *of(int fd) {
    if (!dir) return NULL;
    struct stat stat;
    if (fstat(fd, &stat)) return NULL;
    // The newest first: numbers of deleted files are given again.
    for (int i = __atomic_load_n(&files, __ATOMIC_ACQUIRE) - 1; i >= 0; i--)
        if (known[i].ino == stat.st_ino && known[i].dev == stat.st_dev) return &known[i];
    return NULL;
}

// The index of the write-ahead log is mapped and rebuilt by whoever opens the database first: it is no part of the disk.
static int is_index(const struct known *file) {
    size_t length = strlen(file->name);
    return length > 4 && !strcmp(file->name + length - 4, "-shm");
}

// Whether this call is to fail; then errno is set.
static int fails(const struct known *file) {
    if (file->folder || !strcmp(file->name, "marks")) return 0;
    calls++;
    if (fail_at < 0 || calls < fail_at || calls >= fail_at + fail_count) return 0;
    errno = !strcmp(fail_how, "enospc") ? ENOSPC : EIO;
    return 1;
}

static int opened(const char *path, int flags, int (*make)(const char *, int, mode_t), mode_t mode) {
    const char *name = below(path);
    if (!name) return make(path, flags, mode);
    pthread_mutex_lock(&lock);
    int fresh = (flags & O_CREAT) && access(path, F_OK);
    int fd = make(path, flags, mode);
    int kept = errno;
    if (fd >= 0) {
        struct stat stat;
        fstat(fd, &stat);
        struct known *file = fresh ? NULL : of(fd);
        if (!file) {
            if (files == KNOWN) die("so many files");
            file = &known[files];
            *file = (struct known){ stat.st_dev, stat.st_ino, next_file++, S_ISDIR(stat.st_mode), "" };
            strcpy(file->name, name);
            // Others look without the lock.
            __atomic_store_n(&files, files + 1, __ATOMIC_RELEASE);
            if (!file->folder) note(fresh ? CREATED : OPENED, file->file, 0, name, NULL, 0);
        }
        if (flags & O_TRUNC && !fresh) note(TRUNCATED, file->file, 0, "", NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
    return fd;
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
static int plain(const char *path, int flags, mode_t mode) { return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode); }
int open(const char *path, int flags, ...) { MODE return opened(path, flags, plain, mode); }
int open64(const char *path, int flags, ...) { MODE return opened(path, flags | O_LARGEFILE, plain, mode); }
int openat(int at, const char *path, int flags, ...) {
    MODE
    if (!below(path)) return (int)syscall(SYS_openat, at, path, flags, mode);
    return opened(path, flags, plain, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE
    if (!below(path)) return (int)syscall(SYS_openat, at, path, flags, mode);
    return opened(path, flags, plain, mode);
}

static ssize_t written(int fd, const void *data, size_t length, off_t at, int here) {
    struct known *file = of(fd);
    if (!file) return here ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, at);
    pthread_mutex_lock(&lock);
    ssize_t done = -1;
    if (fails(file)) {
        if (!strcmp(fail_how, "short") && length > 1) {
            length /= 2;
        } else {
            if (!strcmp(fail_how, "eintr")) errno = EINTR;
            goto over;
        }
    }
    if (here) {
        int append = fcntl(fd, F_GETFL) & O_APPEND;
        at = lseek(fd, 0, append ? SEEK_END : SEEK_CUR);
        done = syscall(SYS_write, fd, data, length);
    } else {
        done = syscall(SYS_pwrite64, fd, data, length, at);
    }
    if (done > 0 && !is_index(file)) note(WRITTEN, file->file, (uint64_t)at, "", data, (size_t)done);
over:;
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *data, size_t length) { return written(fd, data, length, 0, 1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return written(fd, data, length, at, 0); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) { return written(fd, data, length, at, 0); }

// Calls on an open file that change nothing but are written down: syncs and truncations.
#define CALL(name, kind, args, number, call) \
    int name args { \
        NEXT(name); \
        struct known *file = of(fd); \
        if (!file) return call; \
        pthread_mutex_lock(&lock); \
        int done = -1, failed = fails(file); \
        if (!failed) done = call; \
        int kept = errno; \
        if (failed && kind == SYNCED && !is_index(file)) note(SYNC_FAILED, file->file, 0, "", NULL, 0); \
        if (!done && !is_index(file)) note(file->folder ? FOLDER_SYNCED : kind, file->file, (uint64_t)(number), "", NULL, 0); \
        pthread_mutex_unlock(&lock); \
        errno = kept; \
        return done; \
    }
CALL(fsync, SYNCED, (int fd), 0, next(fd))
CALL(fdatasync, SYNCED, (int fd), 0, next(fd))
CALL(ftruncate, TRUNCATED, (int fd, off_t length), length, next(fd, length))
CALL(ftruncate64, TRUNCATED, (int fd, off64_t length), length, next(fd, length))

// What is about to lose its name is forgotten: whatever is written to it from now on is on no disk, and its number is free.
static void forget(const char *path) {
    struct stat stat;
    if (lstat(path, &stat)) return;
    for (int i = 0; i < files; i++)
        if (known[i].ino == stat.st_ino && known[i].dev == stat.st_dev) known[i].ino = 0;
}

int unlink(const char *path) {
    NEXT(unlink);
    const char *name = below(path);
    if (!name) return next(path);
    pthread_mutex_lock(&lock);
    forget(path);
    int done = next(path), kept = errno;
    if (!done) note(UNLINKED, 0, 0, name, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

int rename(const char *from, const char *to) {
    NEXT(rename);
    const char *old = below(from), *name = below(to);
    if (!old && !name) return next(from, to);
    if (!old || !name) die("a file that comes or goes");
    pthread_mutex_lock(&lock);
    forget(to);
    int done = next(from, to), kept = errno;
    if (!done) note(RENAMED, 0, 0, old, name, strlen(name));
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

void *mmap64(void *at, size_t length, int rights, int flags, int fd, off64_t from) {
    if (fd >= 0 && (flags & MAP_SHARED) && (rights & PROT_WRITE)) {
        struct known *file = of(fd);
        if (file && !is_index(file)) die("a mapping that is written to");
    }
    return (void *)syscall(SYS_mmap, at, length, rights, flags, fd, from);
}
void *mmap(void *at, size_t length, int rights, int flags, int fd, off_t from) { return mmap64(at, length, rights, flags, fd, from); }

#define REFUSED(name, args, fd, call) ssize_t name args { NEXT(name); if (of(fd)) die(#name); return call; }
REFUSED(writev, (int fd, const struct iovec *parts, int count), fd, next(fd, parts, count))
REFUSED(pwritev, (int fd, const struct iovec *parts, int count, off_t at), fd, next(fd, parts, count, at))
REFUSED(pwritev64, (int fd, const struct iovec *parts, int count, off64_t at), fd, next(fd, parts, count, at))
int fallocate(int fd, int mode, off_t at, off_t length) { NEXT(fallocate); if (of(fd)) die("fallocate"); return next(fd, mode, at, length); }
int fallocate64(int fd, int mode, off64_t at, off64_t length) { NEXT(fallocate64); if (of(fd)) die("fallocate"); return next(fd, mode, at, length); }
int posix_fallocate64(int fd, off64_t at, off64_t length) { NEXT(posix_fallocate64); if (of(fd)) die("fallocate"); return next(fd, at, length); }
int posix_fallocate(int fd, off_t at, off_t length) { NEXT(posix_fallocate); if (of(fd)) die("fallocate"); return next(fd, at, length); }
// Whoever copies so goes on by reading and writing.
ssize_t copy_file_range(int in, off64_t *i, int to, off64_t *o, size_t length, unsigned flags) {
    NEXT(copy_file_range);
    if (of(to)) { errno = ENOSYS; return -1; }
    return next(in, i, to, o, length, flags);
}
