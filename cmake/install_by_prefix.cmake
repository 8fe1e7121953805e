# A part of the installation (cmake/install.cmake): files whose place or text depends on the prefix, which may be chosen as
# late as now. `source` and `build` are the folders; file(INSTALL) puts DESTDIR in front.
get_filename_component(prefix ${CMAKE_INSTALL_PREFIX} ABSOLUTE)
if(prefix STREQUAL "/usr")  # a package of Debian
  set(HONE_SETTINGS /etc/default/hone)
  set(zsh_folder ${prefix}/share/zsh/vendor-completions)
else()
  set(HONE_SETTINGS ${prefix}/etc/default/hone)
  set(zsh_folder ${prefix}/share/zsh/site-functions)
endif()
set(HONE_PROGRAM ${prefix}/bin/hone)

configure_file(${source}/packaging/hone.service.in ${build}/hone.service @ONLY)
file(INSTALL ${build}/hone.service DESTINATION ${prefix}/lib/systemd/system)
file(INSTALL ${build}/manual/hone.zsh DESTINATION ${zsh_folder} RENAME _hone)

# Settings that someone has changed stay.
if(NOT EXISTS $ENV{DESTDIR}${HONE_SETTINGS})
  get_filename_component(folder ${HONE_SETTINGS} DIRECTORY)
  file(INSTALL ${source}/packaging/hone.default DESTINATION ${folder} RENAME hone PERMISSIONS OWNER_READ OWNER_WRITE)
endif()
