namespace Crosscore.Linux;

/// <summary>
/// arch_prctl(2), as far as it tells of shadow stacks: a second stack, of return addresses alone, with which the
/// processor compares those of the first. Source: Documentation/arch/x86/shstk.rst; arch/x86/include/uapi/asm/prctl.h.
/// </summary>
internal static unsafe class ShadowStack
{
    public const ulong ARCH_SHSTK_SHSTK = 1;
    public const ulong ARCH_SHSTK_WRSS = 2;

    private const nint ARCH_SHSTK_STATUS = 0x5005;

    /// <summary>Source: arch/x86/entry/syscalls/syscall_64.tbl. No other architecture has the call.</summary>
    private const nint NumberOnX64 = 158;

    /// <summary>
    /// Asks for the features that are switched on for the calling thread. Returns 0 or the negative error number:
    /// EINVAL from kernels before 6.6 and those built without, under which no program has a shadow stack.
    /// </summary>
    public static int Status(out ulong features)
    {
        ulong answer = 0;

        // SAFETY: the kernel writes 8 bytes, to a local.
        int result = (int)Libc.OrNegativeErrno(Libc.Syscall(NumberOnX64, ARCH_SHSTK_STATUS, (nint)(&answer), 0));
        features = answer;
        return result;
    }

    /// <summary>Whether an answer of <see cref="Status"/> means that there is one.</summary>
    public static bool IsOn(int result, ulong features) => result == 0 && (features & ARCH_SHSTK_SHSTK) != 0;
}
