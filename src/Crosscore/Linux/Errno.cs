namespace Crosscore.Linux;

/// <summary>
/// The error numbers that this library distinguishes. Source: include/uapi/asm-generic/errno-base.h and errno.h; x86-64
/// and arm64 use them unchanged.
/// </summary>
internal static class Errno
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int EINTR = 4;
    public const int EIO = 5;
    public const int ENXIO = 6;
    public const int EBADF = 9;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EACCES = 13;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int EINVAL = 22;
    public const int ENFILE = 23;
    public const int EMFILE = 24;
    public const int EFBIG = 27;
    public const int ENOSPC = 28;
    public const int EPIPE = 32;
    public const int ENOSYS = 38;
    public const int ELOOP = 40;
    public const int ENODATA = 61;

    /// <summary>
    /// The name as the manual pages print it, or the number where this library has no use for a name.
    /// </summary>
    public static string Name(int errno) =>
        errno switch
        {
            EPERM => nameof(EPERM),
            ENOENT => nameof(ENOENT),
            EINTR => nameof(EINTR),
            EIO => nameof(EIO),
            ENXIO => nameof(ENXIO),
            EBADF => nameof(EBADF),
            EAGAIN => nameof(EAGAIN),
            ENOMEM => nameof(ENOMEM),
            EACCES => nameof(EACCES),
            EBUSY => nameof(EBUSY),
            EEXIST => nameof(EEXIST),
            EINVAL => nameof(EINVAL),
            ENFILE => nameof(ENFILE),
            EMFILE => nameof(EMFILE),
            EFBIG => nameof(EFBIG),
            ENOSPC => nameof(ENOSPC),
            EPIPE => nameof(EPIPE),
            ENOSYS => nameof(ENOSYS),
            ELOOP => nameof(ELOOP),
            ENODATA => nameof(ENODATA),
            _ => $"error {errno}",
        };
}
