using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Linux;

namespace Crosscore.Tests;

/// <summary>What a child of a test does while another process traces it.</summary>
internal static unsafe class TracedTrial
{
    public const int Calls = 40;

    // nop, 5 times; mov eax, 1, whose immediate crosses aligned 8 bytes; add eax, 2; ret
    private static readonly byte[] Function = [0x90, 0x90, 0x90, 0x90, 0x90, 0xB8, 1, 0, 0, 0, 0x83, 0xC0, 2, 0xC3];

    /// <summary>
    /// Plans and commits before and after its parent is made its tracer: a line for each. No signal reaches the traced
    /// thread until the end, so none has to be passed on.
    /// </summary>
    public static int Plan()
    {
        const int Ptrace = 101;
        const int TraceMe = 0;
        using LiveCode code = LiveCode.Install(Function, "traced");
        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [1, 2, 3, 4]).Plan));
        if (Libc.Syscall4(Ptrace, TraceMe, 0, 0, 0) != 0)
        {
            return Sandbox.Launcher.NotAvailable;
        }

        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [1, 2, 3, 4]).Plan));
        Console.WriteLine(Outcome(new CodePatch().Replace(code, 6, [1, 2, 3, 4]).Commit));
        Console.WriteLine(MachineCode.Call(code.Address));
        Console.WriteLine(Outcome(new CodePatch(CodeMode.Measured).Replace(code, 6, [5, 6, 7, 8]).Commit));
        Console.WriteLine(MachineCode.Call(code.Address));
        return 0;
    }

    /// <summary>
    /// gdb sets one breakpoint of each kind in sealed and in live code. It cannot continue with the breakpoints that it
    /// has to write, so these are deleted. Then each of the four functions is called. A last hardware breakpoint
    /// returns control to gdb, which prints how often each was hit.
    /// </summary>
    public static int MeetDebuggersBreakpoints()
    {
        var writer = new CodeWriter("debugged");
        CodeFunction soft = writer.Append(MachineCode.Return42, "soft");
        CodeFunction hard = writer.Append(MachineCode.Return42, "hard");
        CodeFunction last = writer.Append(MachineCode.Return42, "last");
        using SealedCode code = writer.Seal();
        using InstalledCode installed = code.Install();
        using LiveCode live = LiveCode.Install(writer);
        nint[] called =
        [
            installed.AddressOf(soft),
            installed.AddressOf(hard),
            live.AddressOf(soft),
            live.AddressOf(hard),
        ];
        int* flag = (int*)NativeMemory.AllocZeroed(sizeof(int)); // Never freed: gdb writes it.
        List<string> commands =
        [
            $"break *{called[0]}",
            $"break *{called[2]}",
            $"hbreak *{called[1]}",
            $"hbreak *{called[3]}",
        ];
        for (int number = 1; number <= 4; number++)
        {
            commands.Add($"ignore {number} 1000000");
        }

        commands.AddRange([
            $"hbreak *{installed.AddressOf(last)}",
            $"set {{int}}{(nint)flag} = 1",
            "continue",
            "info breakpoints 1-2",
            "delete 1 2",
            "continue",
            "info breakpoints",
            "delete",
            "detach",
        ]);
        var start = new ProcessStartInfo(
            "gdb",
            [
                "-nx",
                "-batch",
                "-p",
                Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
                .. commands.SelectMany(command => (string[])["-ex", command]),
            ]
        )
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DEBUGINFOD_URLS"] = "";
        using Process gdb = Process.Start(start)!;
        Task<string> output = gdb.StandardOutput.ReadToEndAsync();
        Task<string> errors = gdb.StandardError.ReadToEndAsync();
        while (Volatile.Read(ref *flag) == 0 && !gdb.HasExited)
        {
            _ = Thread.Yield();
        }

        for (int call = 0; call < Calls && !gdb.HasExited; call++)
        {
            foreach (nint address in called)
            {
                _ = MachineCode.Call(address);
            }
        }

        while (!gdb.HasExited)
        {
            _ = MachineCode.Call(installed.AddressOf(last));
        }

        gdb.WaitForExit();
        Console.WriteLine(output.Result);
        Console.Error.WriteLine(errors.Result);
        return 0;
    }

    private static string Outcome(Func<PatchPlan> act)
    {
        try
        {
            PatchPlan plan = act();
            return $"{plan.Method}: {plan.Reason}";
        }
        catch (CodeException refusal)
        {
            return $"{refusal.Failure}: {refusal.Message}";
        }
    }
}
