/* Makes one write below a directory fail, as a full, broken or forbidden disk would: preloaded into the tests' dnnbox.
 *
 * FAULT_ROOT   only paths below it count
 * FAULT_AT     the number of the call that fails, from 0; -1 only counts
 * FAULT_ERRNO  with what
 * FAULT_STAYS  1: every later call fails too, as on a full disk
 * FAULT_COUNT  a file that gets a byte per call
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static long calls = 0;
static long armed_in = 0;

static int below(const char *path) {
    const char *root = getenv("FAULT_ROOT");
    return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int fails(const char *path) {
    if (!below(path)) return 0;
    if (!armed_in) armed_in = getpid();
    if (armed_in != getpid()) return 0; /* a child that was forked */
    const char *at = getenv("FAULT_AT"), *stays = getenv("FAULT_STAYS"), *count = getenv("FAULT_COUNT");
    long number = calls++;
    if (count) {
        int file = syscall(SYS_openat, AT_FDCWD, count, O_WRONLY | O_CREAT | O_APPEND, 0644);
        if (file >= 0) {
            if (syscall(SYS_write, file, ".", 1) < 0) number = number;
            syscall(SYS_close, file);
        }
    }
    long wanted = at ? atol(at) : -1;
    if (wanted < 0 || number < wanted || (number > wanted && !(stays && *stays == '1'))) return 0;
    errno = atoi(getenv("FAULT_ERRNO"));
    return 1;
}

static int fails_at(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return fails(path);
}

static int fails_from(int folder, const char *name) {
    if (name && name[0] != '/' && folder != AT_FDCWD) return fails_at(folder);
    return fails(name);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & O_CREAT))
#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return WRITES(flags) && fails(path) ? -1 : REAL(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags)
    return WRITES(flags) && fails(path) ? -1 : REAL(open64)(path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return WRITES(flags) && fails_from(folder, path) ? -1 : REAL(openat)(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return WRITES(flags) && fails_from(folder, path) ? -1 : REAL(openat64)(folder, path, flags, mode);
}
ssize_t write(int file, const void *data, size_t size) { return fails_at(file) ? -1 : REAL(write)(file, data, size); }
int fsync(int file) { return fails_at(file) ? -1 : REAL(fsync)(file); }
int rename(const char *from, const char *to) { return fails(to) ? -1 : REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) {
    return fails_from(b, to) ? -1 : REAL(renameat)(a, from, b, to);
}
int mkdir(const char *path, mode_t mode) { return fails(path) ? -1 : REAL(mkdir)(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) {
    return fails_from(folder, path) ? -1 : REAL(mkdirat)(folder, path, mode);
}
int link(const char *from, const char *to) { return fails(to) ? -1 : REAL(link)(from, to); }
int symlink(const char *from, const char *to) { return fails(to) ? -1 : REAL(symlink)(from, to); }
