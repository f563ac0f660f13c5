# A guest of the guest's: KVM runs the same kernel. Its command writes to the only UART there is.
exec qemu-system-aarch64 -accel kvm -M virt,gic-version=host -cpu host -m 256 -nodefaults -display none -no-reboot \
  -serial stdio -kernel /test/kernel -initrd /test/initrd -append quiet
