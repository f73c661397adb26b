#include "loop/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/loop.h"

enum { STACK_BYTES = 256 * 1024 }; /* what name services of the system take */

/* Of the thread and of who asked: the last one that leaves it frees it. */
struct question {
	pthread_mutex_t mutex; /* guards left */
	bool left;
	int fd; /* eventfd: it is answered */
	char *host, port[sizeof("65535")];
	struct addrinfo *found;
	int code; /* of getaddrinfo() */
};

struct lookup {
	struct loop *loop;
	struct question *question;
	struct loop_watch watch;
	struct loop_task refused; /* there is no thread to ask on */
	lookup_fn *done;
	void *arg;
};

static void leave(struct question *question)
{
	bool last;

	(void)pthread_mutex_lock(&question->mutex);
	last = question->left;
	question->left = true;
	(void)pthread_mutex_unlock(&question->mutex);
	if (!last) {
		return;
	}
	if (question->found != NULL) {
		freeaddrinfo(question->found);
	}
	if (question->fd >= 0) {
		(void)close(question->fd);
	}
	(void)pthread_mutex_destroy(&question->mutex);
	free(question->host);
	free(question);
}

static void *thread_main(void *arg)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct question *question = arg;

	question->code = getaddrinfo(question->host, question->port, &hints, &question->found);
	if (question->code != 0) {
		question->found = NULL;
	}
	(void)eventfd_write(question->fd, 1);
	leave(question);
	return NULL;
}

/* Signals are the loop's: the thread is born with all of them blocked. */
static bool start_thread(struct question *question)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int failed;

	if (pthread_attr_init(&attr) != 0) {
		return false;
	}
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&thread, &attr, thread_main, question);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	return failed == 0;
}

static void end(struct lookup *lookup)
{
	loop_watch_clear(&lookup->watch);
	loop_undefer(lookup->loop, &lookup->refused);
	leave(lookup->question);
	free(lookup);
}

static void on_answer(struct loop_watch *watch)
{
	struct lookup *lookup = CONTAINER_OF(watch, struct lookup, watch);
	struct question *question = lookup->question;

	loop_watch_clear(&lookup->watch);
	lookup->done(lookup->arg, question->found,
	             question->code != 0 ? gai_strerror(question->code) : "");
	end(lookup);
}

static void on_refused(struct loop_task *task)
{
	struct lookup *lookup = CONTAINER_OF(task, struct lookup, refused);

	lookup->done(lookup->arg, NULL, "no thread can be started");
	end(lookup);
}

struct lookup *lookup_begin(struct loop *loop, const char *host, unsigned port, lookup_fn *done,
                            void *arg)
{
	struct lookup *lookup = mem_calloc(1, sizeof(*lookup));
	struct question *question = mem_calloc(1, sizeof(*question));

	*lookup = (struct lookup){ .loop = loop, .question = question, .done = done, .arg = arg };
	lookup->refused.run = on_refused;
	(void)pthread_mutex_init(&question->mutex, NULL);
	question->host = mem_strdup(host);
	(void)snprintf(question->port, sizeof(question->port), "%hu", (unsigned short)port);
	question->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (question->fd >= 0 && start_thread(question)) {
		loop_watch_set(&lookup->watch, loop, question->fd, on_answer);
	} else {
		question->left = true;
		loop_defer(loop, &lookup->refused);
	}
	return lookup;
}

void lookup_cancel(struct lookup *lookup)
{
	if (lookup != NULL) {
		end(lookup);
	}
}
