using System.Runtime.InteropServices;

namespace Crosscore.Tests.Sandbox;

/// <summary>
/// A filter that one thread of a running program puts before its own system calls; <see cref="Launcher"/> has those
/// that are there from a program's start.
/// </summary>
internal static unsafe partial class CallFilter
{
    /// <summary>
    /// From now on one system call fails on this thread, for good. False where the system does not allow it.
    /// </summary>
    public static bool RefuseToThisThread(int call, int errno)
    {
        const int PrSetNoNewPrivs = 38;
        const int PrSetSeccomp = 22;
        const int ModeFilter = 2;
        Launcher.Instruction[] filter = Launcher.Filter(Launcher.RefusingOne(call, errno));
        fixed (Launcher.Instruction* first = filter)
        {
            // SAFETY: the kernel copies the program during the call.
            var program = new Program { Length = (ushort)filter.Length, First = (nint)first };
            return Prctl(PrSetNoNewPrivs, 1, 0, 0, 0) == 0
                && Prctl(PrSetSeccomp, ModeFilter, (nint)(&program), 0, 0) == 0;
        }
    }

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int Prctl(int option, nint second, nint third, nint fourth, nint fifth);

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Program
    {
        public ushort Length;
        public nint First;
    }
}
