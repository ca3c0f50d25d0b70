#include "control/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "control/command.h"

int secret_read_line(FILE *f, char out_r[SECRET_MAX + 1])
{
	char line[SECRET_MAX + 1];      /* with room for a CR */
	size_t n = 0;
	int c, r = 0;

	while (r == 0 && (c = getc(f)) != EOF && c != '\n') {
		if (c == '\0')
			r = ERR_SYNTAX;
		else if (n == sizeof(line))
			r = ERR_LIMIT;
		else
			line[n++] = (char)c;
	}
	if (r == 0 && n == 0 && c == EOF)
		r = ERR_NOTFOUND;
	if (r == 0 && n != 0 && line[n - 1] == '\r')
		n--;
	if (r == 0 && n > SECRET_MAX)
		r = ERR_LIMIT;
	if (r != 0)
		n = 0;
	memcpy(out_r, line, n);
	out_r[n] = '\0';
	explicit_bzero(line, sizeof(line));
	return r;
}

static int from_file(const char *file, char out_r[SECRET_MAX + 1])
{
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	int r;

	if (f == NULL) {
		(void)complain("The password file %s cannot be opened: %s.", file, strerror(errno));
		return ERR_IO;
	}
	/* Unbuffered: no copy of it stays behind in a buffer of the library. */
	(void)setvbuf(f, NULL, _IONBF, 0);
	r = secret_read_line(f, out_r);
	if (f != stdin)
		(void)fclose(f);
	if (r != 0)
		(void)complain("%s %s; its first line has to be the password.",
		    f == stdin ? "Standard input" : file, r == ERR_NOTFOUND ? "is empty" : r == ERR_LIMIT ?
		    "has a line of more than 511 bytes" : "has a NUL byte");
	return r;
}

/* One line from the terminal without echo. Signals wait until the echo is on again. */
static int ask(FILE *tty, const char *prompt, const char *who, char out_r[SECRET_MAX + 1])
{
	struct termios old, quiet;
	sigset_t block, before;
	int r;

	if (tcgetattr(fileno(tty), &old) != 0)
		return ERR_IO;
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGINT);
	(void)sigaddset(&block, SIGTERM);
	(void)sigaddset(&block, SIGTSTP);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	quiet.c_lflag |= ECHONL;
	(void)sigprocmask(SIG_BLOCK, &block, &before);
	/* The echo goes off before anybody is asked to type; what was typed before is thrown away. */
	r = tcsetattr(fileno(tty), TCSAFLUSH, &quiet) == 0 ? 0 : ERR_IO;
	if (r == 0) {
		(void)fprintf(tty, "%s %s: ", prompt, who);
		(void)fflush(tty);
		r = secret_read_line(tty, out_r);
	}
	(void)tcsetattr(fileno(tty), TCSAFLUSH, &old);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	/* With the signals of the keyboard off, Ctrl-C is a byte of the line. */
	if (r == 0 && strchr(out_r, 3) != NULL)
		r = ERR_CLOSED;
	return r;
}

int secret_read(const char *file, const char *who, char out_r[SECRET_MAX + 1])
{
	char again[SECRET_MAX + 1] = "";
	FILE *tty;
	int r;

	if (file != NULL)
		return from_file(file, out_r);
	tty = fopen("/dev/tty", "r+e");
	if (tty == NULL) {
		(void)complain("There is no terminal to ask for the password; use --password-file FILE, or - for standard input.");
		return ERR_IO;
	}
	(void)setvbuf(tty, NULL, _IONBF, 0);
	r = ask(tty, "Password of", who, out_r);
	if (r == 0)
		r = ask(tty, "Once more, password of", who, again);
	(void)fclose(tty);
	if (r == 0 && strcmp(out_r, again) != 0) {
		(void)complain("The two passwords differ; nothing was changed.");
		r = ERR_SYNTAX;
	} else if (r != 0) {
		(void)complain("No password was read; nothing was changed.");
	}
	explicit_bzero(again, sizeof(again));
	return r;
}
