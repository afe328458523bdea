namespace Crosscore.Linux;

/// <summary>mmap(2) and munmap(2). Source: include/uapi/asm-generic/mman-common.h and include/uapi/linux/mman.h.</summary>
internal static class Mapping
{
    public const int PROT_READ = 0x1;
    public const int PROT_EXEC = 0x4;

    public const int MAP_SHARED = 0x01;

    /// <summary>Returns the address or the negative error number.</summary>
    public static nint Map(nuint length, int protection, int flags, int descriptor) =>
        Libc.OrNegativeErrno(Libc.Mmap(0, length, protection, flags, descriptor, 0));

    public static int Unmap(nint address, nuint length) => (int)Libc.OrNegativeErrno(Libc.Munmap(address, length));
}
