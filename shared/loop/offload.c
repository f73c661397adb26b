#include "loop/offload.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"

/* On the calling fiber's stack; a thread owns it between the two queues. */
struct call {
	struct fiber_op op;
	void (*fn)(void *arg);
	void *arg;
	STAILQ_ENTRY(call) link;
};

STAILQ_HEAD(call_list, call);

struct offload {
	pthread_mutex_t mutex; /* guards todo, done, stop */
	pthread_cond_t work;
	struct call_list todo, done;
	bool stop;

	int fd; /* eventfd: done is not empty */
	struct event *finished;
	size_t in_flight; /* the loop's own */
	size_t count;
	pthread_t threads[];
};

static void *thread_main(void *arg)
{
	struct offload *offload = arg;
	struct call *call;

	(void)pthread_mutex_lock(&offload->mutex);
	for (;;) {
		while ((call = STAILQ_FIRST(&offload->todo)) == NULL && !offload->stop) {
			(void)pthread_cond_wait(&offload->work, &offload->mutex);
		}
		if (call == NULL) {
			break;
		}
		STAILQ_REMOVE_HEAD(&offload->todo, link);
		(void)pthread_mutex_unlock(&offload->mutex);
		call->fn(call->arg);
		(void)pthread_mutex_lock(&offload->mutex);
		if (STAILQ_EMPTY(&offload->done)) {
			int failed = eventfd_write(offload->fd, 1);

			assert(failed == 0);
		}
		STAILQ_INSERT_TAIL(&offload->done, call, link);
	}
	(void)pthread_mutex_unlock(&offload->mutex);
	return NULL;
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
	struct offload *offload = arg;
	struct call_list done = STAILQ_HEAD_INITIALIZER(done);
	struct call *call;
	eventfd_t count;

	(void)what;
	(void)pthread_mutex_lock(&offload->mutex);
	(void)eventfd_read(fd, &count);
	STAILQ_CONCAT(&done, &offload->done);
	(void)pthread_mutex_unlock(&offload->mutex);
	while ((call = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, link);
		offload->in_flight--;
		fiber_op_done(&call->op, NULL);
	}
	if (offload->in_flight == 0) {
		(void)event_del(offload->finished); /* an idle pool does not keep the loop */
	}
}

/* Signals are the loop's: the threads are born with all of them blocked. */
static void start_threads(struct offload *offload, size_t threads)
{
	sigset_t all, old;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (offload->count < threads &&
	       pthread_create(&offload->threads[offload->count], NULL, thread_main, offload) == 0) {
		offload->count++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct offload *offload_new(struct loop *loop, size_t threads)
{
	struct offload *offload =
		mem_calloc(1, sizeof(*offload) + threads * sizeof(offload->threads[0]));

	assert(threads > 0);
	STAILQ_INIT(&offload->todo);
	STAILQ_INIT(&offload->done);
	(void)pthread_mutex_init(&offload->mutex, NULL);
	(void)pthread_cond_init(&offload->work, NULL);
	offload->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (offload->fd >= 0) {
		offload->finished = event_new(loop_base(loop), offload->fd, EV_READ | EV_PERSIST,
		                              on_finished, offload);
	}
	if (offload->finished != NULL) {
		start_threads(offload, threads);
	}
	if (offload->count < threads) {
		offload_free(offload);
		return NULL;
	}
	return offload;
}

void offload_free(struct offload *offload)
{
	if (offload == NULL) {
		return;
	}
	assert(offload->in_flight == 0);
	(void)pthread_mutex_lock(&offload->mutex);
	offload->stop = true;
	(void)pthread_cond_broadcast(&offload->work);
	(void)pthread_mutex_unlock(&offload->mutex);
	for (size_t i = 0; i < offload->count; i++) {
		(void)pthread_join(offload->threads[i], NULL);
	}
	if (offload->finished != NULL) {
		event_free(offload->finished);
	}
	if (offload->fd >= 0) {
		(void)close(offload->fd);
	}
	(void)pthread_cond_destroy(&offload->work);
	(void)pthread_mutex_destroy(&offload->mutex);
	free(offload);
}

void offload_call(struct offload *offload, void (*fn)(void *arg), void *arg)
{
	struct call call = { .fn = fn, .arg = arg };
	enum err_code code;

	fiber_op_begin(&call.op, NULL);
	if (offload->in_flight++ == 0) {
		(void)event_add(offload->finished, NULL);
	}
	(void)pthread_mutex_lock(&offload->mutex);
	STAILQ_INSERT_TAIL(&offload->todo, &call, link);
	(void)pthread_cond_signal(&offload->work);
	(void)pthread_mutex_unlock(&offload->mutex);
	code = fiber_wait(&call.op, FIBER_NO_TIMEOUT, NULL);
	assert(code == ERR_OK);
}
