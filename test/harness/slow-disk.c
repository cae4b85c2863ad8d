/*
 * Preloaded into a node by tests: fsync and fdatasync do what the file named by FLOTILLA_TEST_FSYNC says at that moment.
 * "250": each takes 250 ms longer. "-5": each fails with errno 5 (EIO). "0" or nothing: as ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int fault(void) {
  const char *path = getenv("FLOTILLA_TEST_FSYNC");
  char text[16] = {0};
  if (path == NULL) return 0;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length > 0 ? atoi(text) : 0;
}

static int synced(const char *name, int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  int what = fault();
  if (what < 0) {
    errno = -what;
    return -1;
  }
  struct timespec pause = {what / 1000, (what % 1000) * 1000000L};
  if (what > 0) nanosleep(&pause, NULL);
  return real(file);
}

int fsync(int file) { return synced("fsync", file); }
int fdatasync(int file) { return synced("fdatasync", file); }
