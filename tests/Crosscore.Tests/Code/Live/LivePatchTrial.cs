using System.Globalization;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Code.Live;

/// <summary>What a child of a test does with live code where its process may be changed for good: by handlers of SIGTRAP, or by a filter of system calls.</summary>
internal static unsafe partial class LivePatchTrial
{
    private static readonly byte[] Int3 = [0xCC, 0xC3];

    // nop, 5 times; mov eax, 1, whose immediate crosses aligned 8 bytes; add eax, 2; ret
    private static readonly byte[] Function = [0x90, 0x90, 0x90, 0x90, 0x90, 0xB8, 1, 0, 0, 0, 0x83, 0xC0, 2, 0xC3];

    /// <summary>SIGTRAP was ignored before live code came: one that is sent goes on being ignored, one of an instruction ends the process as the kernel would have it.</summary>
    public static int MeetIgnoredBreakpoint()
    {
        _ = Signals.Get(Signals.SIGTRAP, out SignalAction action);
        action.Handler = Signals.SIG_IGN;
        _ = Signals.Set(Signals.SIGTRAP, action);
        _ = LiveCode.Install(MachineCode.Return42);
        _ = Raise(Signals.SIGTRAP);
        Console.WriteLine("still here");
        Console.Out.Flush();
        return MachineCode.Call(Int3);
    }

    /// <summary>Somebody sets a handler after ours has looked which there is and before it takes its place.</summary>
    public static int SetHandlerMeanwhile()
    {
        const int SA_NODEFER = 0x40000000;
        long* count = (long*)NativeMemory.AllocZeroed(sizeof(long));

        // mov rax, count; lock inc qword [rax]; ret. An INT3 that it returns from has been executed: the thread goes on behind it.
        byte[] counts = [0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0xF0, 0x48, 0xFF, 0x00, 0xC3];
        BitConverter.TryWriteBytes(counts.AsSpan(2), (nint)count);
        InstalledCode handler = SealedCode.Seal(counts).Install();
        lock (LiveCode.Patching)
        {
            BreakpointHandler.Install(() =>
            {
                _ = Signals.Get(Signals.SIGTRAP, out SignalAction action);
                action.Handler = handler.Address;
                action.Flags |= SA_NODEFER;
                _ = Signals.Set(Signals.SIGTRAP, action);
            });
            Console.WriteLine(BreakpointHandler.Obstacle() is null ? "ours is in place" : "ours is not in place");
        }

        _ = Signals.Get(Signals.SIGTRAP, out SignalAction now);
        Console.WriteLine((now.Flags & SA_NODEFER) != 0 ? "its flags are kept" : "its flags are lost");
        _ = MachineCode.Call(Int3); // By way of "unknown" in our handler,
        _ = Raise(Signals.SIGTRAP); // and by way of si_code.
        Console.WriteLine($"{*count} signals passed on");
        return 0;
    }

    /// <summary>A patch by breakpoints where sigaction has come to be refused: how it ends, how many tables it has lost, and what the code answers.</summary>
    public static int PatchWithoutSigaction()
    {
        using LiveCode code = LiveCode.Install(Function);
        _ = new CodePatch().Replace(code, 6, [9, 9, 9, 9]).Commit();
        _ = new CodePatch().Replace(code, 6, [1, 0, 0, 0]).Commit();
        int free;
        lock (LiveCode.Patching)
        {
            BreakpointTables.Collect();
            free = BreakpointTables.FreeCount;
        }

        const int RtSigaction = 13;
        if (!CallFilter.RefuseToThisThread(RtSigaction, Errno.EPERM))
        {
            return Launcher.NotAvailable;
        }

        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [1, 2, 3, 4])));
        lock (LiveCode.Patching)
        {
            Console.WriteLine($"{free - BreakpointTables.FreeCount} tables lost");
        }

        Console.WriteLine(Call(code));
        return 0;
    }

    /// <summary>A patch by a single store and one by breakpoints where membarrier has come to be refused.</summary>
    public static int PatchWithoutMembarrier()
    {
        using LiveCode code = LiveCode.Install(Function);
        if (!CallFilter.RefuseToThisThread((int)MembarrierCall.Number(RuntimeInformation.ProcessArchitecture), Errno.EPERM))
        {
            return Launcher.NotAvailable;
        }

        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [9])));
        Console.WriteLine(Call(code));
        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [1, 2, 3, 4])));
        Console.WriteLine(Call(code));
        return 0;
    }

    private static string Outcome(CodePatch patch)
    {
        try
        {
            return patch.Commit().Method.ToString();
        }
        catch (CodeException refusal)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{refusal.Failure} {refusal.Errno}{(refusal.Message.Contains("taken back", StringComparison.Ordinal) ? ", and others may not know" : "")}");
        }
    }

    private static int Call(LiveCode code)
    {
        // SAFETY: a complete function without arguments in every version.
        return ((delegate* unmanaged<int>)code.Address)();
    }

    [LibraryImport("libc", EntryPoint = "raise")]
    private static partial int Raise(int signal);
}
