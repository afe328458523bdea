using System.Diagnostics;
using System.Globalization;
using Crosscore.Code;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Tests;

/// <summary>
/// What a child of a test does with code, in another process: under a sandbox, or examined from outside.
/// </summary>
internal static class CodeTrial
{
    /// <summary>The number of a descriptor of sealed code that the parent lets the child inherit.</summary>
    public const string Inherited = "CROSSCORE_TEST_DESCRIPTOR";

    public const string Named = "crosscore_test_function";

    /// <summary>
    /// Seals and installs its own code, then installs inherited code, then live code: a line for each, and whether all
    /// mappings for code are as before.
    /// </summary>
    public static int TryEverything()
    {
        Console.WriteLine(Outcome(() => MachineCode.Call(MachineCode.Return42)));
        Console.WriteLine(
            Outcome(() =>
            {
                int descriptor = int.Parse(
                    Environment.GetEnvironmentVariable(Inherited)!,
                    CultureInfo.InvariantCulture
                );
                using var file = new SafeFileHandle(descriptor, ownsHandle: false);
                using SealedCode code = CodeTransfer.Import(file);
                using InstalledCode installed = code.Install();
                return MachineCode.Call(installed);
            })
        );
        Console.WriteLine(
            File.ReadAllText("/proc/self/maps").Contains("crosscore-code", StringComparison.Ordinal)
                ? "something stayed"
                : "nothing stayed"
        );
        Console.WriteLine(
            Outcome(() =>
            {
                using LiveCode code = LiveCode.Install(MachineCode.Return42);
                return MachineCode.Call(code.Address);
            })
        );
        Console.WriteLine(
            File.ReadAllText("/proc/self/maps").Contains("crosscore-live", StringComparison.Ordinal)
                ? "something live stayed"
                : "nothing live stayed"
        );
        return 0;
    }

    /// <summary>
    /// Publishes names in perf's file, and prints how many of its lines are not well-formed and which are ours.
    /// </summary>
    public static int PublishToPerf()
    {
        CodeNames.PublishToPerf();
        using InstalledCode installed = InstallNamed();
        Console.WriteLine($"{installed.Address:x} {installed.Length:x} {Named}");
        for (int method = 0; method < 50; method++)
        {
            // Methods that the runtime compiles and names after ours.
            var dynamicMethod = new System.Reflection.Emit.DynamicMethod($"after{method}", typeof(int), []);
            System.Reflection.Emit.ILGenerator code = dynamicMethod.GetILGenerator();
            code.Emit(System.Reflection.Emit.OpCodes.Ldc_I4, method);
            code.Emit(System.Reflection.Emit.OpCodes.Ret);
            _ = dynamicMethod.CreateDelegate<Func<int>>()();
        }

        string file = $"/tmp/perf-{Environment.ProcessId}.map";
        string[] lines = File.ReadAllLines(file);
        Console.WriteLine(
            lines.Count(line =>
                line.Split(' ', 3) is not [var start, var size, { Length: > 0 }]
                || !IsHexadecimal(start)
                || !IsHexadecimal(size)
            )
        );
        Console.WriteLine(string.Join('\n', lines.Where(line => line.Contains(Named, StringComparison.Ordinal))));
        Console.WriteLine(lines.Count(line => line.Contains("after", StringComparison.Ordinal)));
        File.Delete(file);
        File.Delete($"/tmp/perfinfo-{Environment.ProcessId}.map");
        File.Delete($"/tmp/jit-{Environment.ProcessId}.dump");
        return 0;
    }

    /// <summary>
    /// Publishes names to gdb, before and after they are installed, and lets gdb look at this process.
    /// </summary>
    public static int AskDebugger()
    {
        using InstalledCode before = InstallNamed();
        CodeNames.PublishToDebugger();
        using InstalledCode after = InstallNamed();
        InstalledCode gone = InstallNamed();
        nint goneAddress = gone.Address;
        gone.Dispose();
        var start = new ProcessStartInfo(
            "gdb",
            [
                "-nx",
                "-batch",
                "-p",
                Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
                "-ex",
                $"info symbol 0x{before.Address:x}",
                "-ex",
                $"info symbol 0x{after.Address + 1:x}",
                "-ex",
                $"info symbol 0x{goneAddress:x}",
                "-ex",
                $"x/2i 0x{after.Address:x}",
            ]
        )
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DEBUGINFOD_URLS"] = "";
        using Process gdb = Process.Start(start)!;
        Task<string> errors = gdb.StandardError.ReadToEndAsync();
        Console.WriteLine(gdb.StandardOutput.ReadToEnd());
        gdb.WaitForExit();
        Console.Error.WriteLine(errors.Result);
        return 0;
    }

    private static InstalledCode InstallNamed()
    {
        var writer = new CodeWriter("named");
        _ = writer.Append(MachineCode.Return42, Named);
        using SealedCode code = writer.Seal();
        return code.Install();
    }

    /// <summary>The runtime writes "0x" before its addresses, which perf takes as well.</summary>
    private static bool IsHexadecimal(string text) =>
        text.Length > 0
        && (text.StartsWith("0x", StringComparison.Ordinal) ? text[2..] : text).All(char.IsAsciiHexDigit);

    private static string Outcome(Func<int> use)
    {
        try
        {
            return use().ToString(CultureInfo.InvariantCulture);
        }
        catch (CodeException refusal)
        {
            return $"{refusal.Failure} {refusal.Errno}";
        }
    }
}
