// Kills the process it is preloaded into right before its KILL_AT-th change of the disk: a file renamed into place, a
// file removed, or what was appended to a journal made durable.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int steps;

static void step(const char *what, const char *where) {
    const char *at = getenv("KILL_AT");
    if (at && atomic_fetch_add(&steps, 1) + 1 == atoi(at)) {
        dprintf(STDERR_FILENO, "killed before it would %s %s\n", what, where);
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
}

int rename(const char *from, const char *to) {
    step("rename", to);
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path) {
    step("remove", path);
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int fdatasync(int file) {
    step("sync", "a journal");
    return syscall(SYS_fdatasync, file);
}
