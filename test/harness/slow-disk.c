/*
 * Preloaded into a node by tests: fsync and fdatasync take so many milliseconds longer as the file named by
 * FLOTILLA_TEST_FSYNC says at that moment. (libfiu makes calls fail, but has no way to make them slow.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int delay_ms(void) {
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
  int ms = delay_ms();
  struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
  if (ms > 0) nanosleep(&pause, NULL);
  return real(file);
}

int fsync(int file) { return synced("fsync", file); }
int fdatasync(int file) { return synced("fdatasync", file); }
