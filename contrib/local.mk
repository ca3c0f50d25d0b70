# What is made at installation beside the programs: from templates, with the directories of this build.
EXTRA_DIST += %D%/install-deps %D%/acme-hook.in %D%/manifest.in %D%/setup.in %D%/pabal.service.in %D%/pabal.init.in
dist_doc_DATA = %D%/pabal.conf.example
pkglibexec_SCRIPTS = contrib/setup contrib/acme-hook
pkgdata_DATA = contrib/manifest
CONTRIB_BUILT = contrib/manifest contrib/setup contrib/acme-hook contrib/pabal.service contrib/init/pabal \
	contrib/sysusers.d/pabal.conf contrib/tmpfiles.d/pabal.conf
noinst_DATA = $(CONTRIB_BUILT)
CLEANFILES += $(CONTRIB_BUILT)

if HAVE_SYSTEMD
systemdsystemunit_DATA = contrib/pabal.service
endif
if HAVE_SYSUSERS
sysusers_DATA = contrib/sysusers.d/pabal.conf
endif
if HAVE_TMPFILES
tmpfiles_DATA = contrib/tmpfiles.d/pabal.conf
endif
if HAVE_INITDIR
init_SCRIPTS = contrib/init/pabal
endif

CONTRIB_EDIT = $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' \
	-e 's|@sysconfdir[@]|$(sysconfdir)|g' -e 's|@localstatedir[@]|$(localstatedir)|g' \
	-e 's|@pkgdatadir[@]|$(pkgdatadir)|g' -e 's|@USER_PREFIX[@]|$(USER_PREFIX)|g'

contrib/manifest: $(srcdir)/contrib/manifest.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(CONTRIB_EDIT) $(srcdir)/contrib/manifest.in > $@.tmp && mv $@.tmp $@
contrib/setup: $(srcdir)/contrib/setup.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(CONTRIB_EDIT) $(srcdir)/contrib/setup.in > $@.tmp && chmod +x $@.tmp && mv $@.tmp $@
contrib/acme-hook: $(srcdir)/contrib/acme-hook.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(CONTRIB_EDIT) $(srcdir)/contrib/acme-hook.in > $@.tmp && chmod +x $@.tmp && mv $@.tmp $@
contrib/pabal.service: $(srcdir)/contrib/pabal.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(CONTRIB_EDIT) $(srcdir)/contrib/pabal.service.in > $@.tmp && mv $@.tmp $@
contrib/init/pabal: $(srcdir)/contrib/pabal.init.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(CONTRIB_EDIT) $(srcdir)/contrib/pabal.init.in > $@.tmp && chmod +x $@.tmp && mv $@.tmp $@
contrib/sysusers.d/pabal.conf: contrib/manifest
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(AWK) -F: '!/^#/ && $$2 == "u" { print "u " $$1 " - \"Pabal mail system\" /nonexistent -" }' contrib/manifest > $@.tmp && mv $@.tmp $@
# /var/run is /run.
contrib/tmpfiles.d/pabal.conf: contrib/manifest
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(AWK) -F: '!/^#/ && $$2 == "d" { sub("^/var/run/", "/run/", $$1); print "d", $$1, $$5, $$3, $$4, "-" }' contrib/manifest > $@.tmp && mv $@.tmp $@

# What holds a directory of the build is made anew when that changes.
common/daemon/libdaemon_a-conf_check.$(OBJEXT) master/libmaster_a-kinds.$(OBJEXT) \
master/pabal_master-main.$(OBJEXT) control/libcontrol_a-cmd_start.$(OBJEXT) control/pabal-main.$(OBJEXT): Makefile

# For tests/lint/dist.t: what a release holds.
.PHONY: print-distfiles
print-distfiles:
	@printf '%s\n' $(DISTFILES)
