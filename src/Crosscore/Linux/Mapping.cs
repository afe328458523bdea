namespace Crosscore.Linux;

/// <summary>mmap(2), munmap(2), mprotect(2) and mlock(2). Source: include/uapi/asm-generic/mman-common.h and include/uapi/linux/mman.h.</summary>
internal static class Mapping
{
    public const int PROT_NONE = 0x0;
    public const int PROT_READ = 0x1;
    public const int PROT_WRITE = 0x2;
    public const int PROT_EXEC = 0x4;

    public const int MAP_SHARED = 0x01;
    public const int MAP_PRIVATE = 0x02;
    public const int MAP_ANONYMOUS = 0x20;

    /// <summary>Returns the address or the negative error number.</summary>
    public static nint Map(nuint length, int protection, int flags, int descriptor) =>
        Libc.OrNegativeErrno(Libc.Mmap(0, length, protection, flags, descriptor, 0));

    public static int Unmap(nint address, nuint length) => (int)Libc.OrNegativeErrno(Libc.Munmap(address, length));

    public static int Protect(nint address, nuint length, int protection) => (int)Libc.OrNegativeErrno(Libc.Mprotect(address, length, protection));

    public static int Lock(nint address, nuint length) => (int)Libc.OrNegativeErrno(Libc.Mlock(address, length));
}
