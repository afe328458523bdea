using System.Runtime.InteropServices;

namespace Crosscore.Linux;

/// <summary>
/// sigaction(2), by the C library, which adds the return from the handler that unwinders recognize. Source:
/// include/uapi/asm-generic/signal-defs.h; arch/x86/include/uapi/asm/signal.h.
/// </summary>
internal static unsafe class Signals
{
    public const int SIGTRAP = 5;

    public const nint SIG_DFL = 0;
    public const nint SIG_IGN = 1;

    public const int SA_SIGINFO = 0x00000004;
    public const int SA_RESTORER = 0x04000000;
    public const int SA_RESETHAND = unchecked((int)0x80000000);

    /// <summary>
    /// si_code of a signal that the kernel itself raises for an instruction: include/uapi/asm-generic/siginfo.h.
    /// </summary>
    public const int SI_KERNEL = 0x80;

    /// <summary>Reads the action of a signal. Returns 0 or the negative error number.</summary>
    public static int Get(int signal, out SignalAction action)
    {
        // SAFETY: the structure has the C library's size and layout and lives in the caller's frame, which does not
        // move.
        fixed (SignalAction* current = &action)
        {
            return (int)Libc.OrNegativeErrno(Libc.Sigaction(signal, null, current));
        }
    }

    /// <summary>Changes the action of a signal. Returns 0 or the negative error number.</summary>
    public static int Set(int signal, in SignalAction action) => Exchange(signal, action, out _);

    /// <summary>
    /// Changes the action of a signal and returns, in the same system call, the previous one. Returns 0 or the negative
    /// error number.
    /// </summary>
    public static int Exchange(int signal, in SignalAction action, out SignalAction replaced)
    {
        // SAFETY: as above; the first is only read.
        fixed (SignalAction* next = &action)
        fixed (SignalAction* previous = &replaced)
        {
            return (int)Libc.OrNegativeErrno(Libc.Sigaction(signal, next, previous));
        }
    }
}

/// <summary>
/// struct sigaction of glibc and musl on x86-64: the handler, 1024 bits of mask, the flags, the return function.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SignalAction
{
    public const int MaskWords = 16;

    public nint Handler;
    public fixed ulong Mask[MaskWords];
    public int Flags;
    public nint Restorer;

    /// <summary>
    /// Whether both are the same action. The kernel's mask has 64 bits; what stands behind them is the C library's.
    /// SA_RESTORER is added by the C library, and read back.
    /// </summary>
    public readonly bool IsSameAs(in SignalAction other) =>
        Handler == other.Handler
        && (Flags | Signals.SA_RESTORER) == (other.Flags | Signals.SA_RESTORER)
        && Mask[0] == other.Mask[0];
}
