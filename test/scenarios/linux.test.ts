/** Unmodified Linux started by UEFI: its console on efifb, and Debian from a disk, used through screen and keyboard alone. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { PASSWORD } from '../../scripts/guests/debiandisk';
import { needs, RUN, Scenarios, settled, size } from './scenario';

describe('Linux on the screen', function () {
  this.timeout(3_600_000);
  const scenarios = new Scenarios();
  after(() => scenarios.close());

  for (const name of ['linux-cloud', 'linux-generic'])
    it(`${name} by OVMF: a shell on efifb`, function () {
      const { text, picture } = scenarios.see(
        `efifb-${name}`, ...scenarios.uefi(this, '--kernel', needs(this, `${name}/vmlinuz`), '--initrd', needs(this, `${name}/initrd.gz`), '--append', 'console=tty0'),
        '--until-screen', 'GUEST-USERLAND-READY', '--send-keys', 'uname -sr; cat /proc/fb; echo SUM=$((40+2))<enter>', ...settled('SUM=42'),
      ); // prettier-ignore
      assert.equal(size(picture), '1280x800');
      assert.match(text, /^Linux 6\.1\.0-\d+-(cloud-)?amd64\n0 EFI VGA\nSUM=42$/m);
    });

  it('Debian from a virtual disk: GRUB, logging in, a command, power-off, and what was written is kept', function () {
    const [disk, overlay, snapshot] = [needs(this, 'debian-disk/disk.img'), scenarios.file('overlay.qcow2'), scenarios.file('debian.guest')];
    const start = scenarios.uefi(this, '--memory', '1G', '--disk', `${disk},bus=ahci,overlay=${overlay}`);
    const grub = scenarios.see('debian-grub', ...start, ...settled('Debian on a virtual disk'));
    assert.match(grub.text, /GNU GRUB +version 2\.06/);
    const { text } = scenarios.see(
      'debian-login', ...start, '--until-screen', 'guest login:', '--send-keys', 'root<enter>', '--until-screen', 'Password:', '--send-keys', `${PASSWORD}<enter>`,
      '--until-screen', 'root@guest:~#', '--send-keys', 'cat /etc/debian_version; echo kept-$((40+2)) > /root/note; cat /root/note<enter>', ...settled('kept-42'),
      '--suspend', snapshot,
    ); // prettier-ignore
    assert.match(text, /Debian GNU\/Linux 12 guest tty1[^]*^guest login: root$[^]*^12\.\d+\nkept-42\nroot@guest:~#/m);
    const off = scenarios.see('debian-off', 'resume', snapshot, '--serial', 'none', '--send-keys', 'systemctl poweroff<enter>');
    assert.equal(off.report.stopReason, 'power-off');

    // Another system finds it there.
    const initrd = scenarios.file('initrd.gz');
    const files = ['initrd.gz', 'modules.gz'].map((file) => readFileSync(needs(this, `linux-cloud/${file}`)));
    writeFileSync(initrd, Buffer.concat(files));
    const again = scenarios.see(
      'debian-kept', ...RUN, '--kernel', needs(this, 'linux-cloud/vmlinuz'), '--initrd', initrd, '--append', 'console=tty0 quiet',
      '--disk', `${disk},overlay=${overlay}`, '--until-screen', 'GUEST-USERLAND-READY',
      '--send-keys', 'for m in $(cat /etc/modules); do insmod /lib/modules/$m.ko 2>/dev/null; done; mount -o ro /dev/vda2 /root; cat /root/root/note<enter>',
      ...settled('kept-42'),
    ); // prettier-ignore
    assert.match(again.text, /^kept-42$/m);
  });
});
