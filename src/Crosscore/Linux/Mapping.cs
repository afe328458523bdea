namespace Crosscore.Linux;

/// <summary>
/// mmap(2), munmap(2), mprotect(2) and mlock(2). Source: include/uapi/asm-generic/mman-common.h and
/// include/uapi/linux/mman.h.
/// </summary>
internal static class Mapping
{
    public const int PROT_NONE = 0x0;
    public const int PROT_READ = 0x1;
    public const int PROT_WRITE = 0x2;
    public const int PROT_EXEC = 0x4;

    public const int MAP_SHARED = 0x01;
    public const int MAP_PRIVATE = 0x02;
    public const int MAP_FIXED = 0x10;
    public const int MAP_ANONYMOUS = 0x20;
    public const int MAP_NORESERVE = 0x4000;

    /// <summary>
    /// Since Linux 4.17; older kernels take the address as a hint, so the answer must be compared with it.
    /// </summary>
    public const int MAP_FIXED_NOREPLACE = 0x100000;

    /// <summary>Maps at an address of the kernel's choice. Returns the address or the negative error number.</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="protection">PROT_ flags.</param>
    /// <param name="flags">MAP_ flags.</param>
    /// <param name="descriptor">The file, or -1.</param>
    /// <param name="offset">Where in the file, in whole pages; may lie behind its end.</param>
    public static nint Map(nuint length, int protection, int flags, int descriptor, long offset = 0) =>
        Libc.OrNegativeErrno(Libc.Mmap(0, length, protection, flags, descriptor, offset));

    /// <summary>
    /// Maps at <paramref name="address"/>, as far as <paramref name="flags"/> say so. Returns the address or the
    /// negative error number.
    /// </summary>
    public static nint MapAt(nint address, nuint length, int protection, int flags, int descriptor) =>
        Libc.OrNegativeErrno(Libc.Mmap(address, length, protection, flags, descriptor, 0));

    public static int Unmap(nint address, nuint length) => (int)Libc.OrNegativeErrno(Libc.Munmap(address, length));

    /// <summary>
    /// Whether an answer of mmap is an error number: the kernel's addresses of user space are positive.
    /// </summary>
    public static bool IsError(nint answer) => answer is < 0 and > -4096;

    public static int Protect(nint address, nuint length, int protection) =>
        (int)Libc.OrNegativeErrno(Libc.Mprotect(address, length, protection));

    public static int Lock(nint address, nuint length) => (int)Libc.OrNegativeErrno(Libc.Mlock(address, length));

    /// <summary>madvise(2): a child made by fork does not get the mapping.</summary>
    public const int MADV_DONTFORK = 10;

    /// <summary>
    /// The mapping gets no huge pages, which would make two megabytes resident where one byte was touched.
    /// </summary>
    public const int MADV_NOHUGEPAGE = 15;

    public static int Advise(nint address, nuint length, int advice) =>
        (int)Libc.OrNegativeErrno(Libc.Madvise(address, length, advice));
}
