using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Sealing;
using Crosscore.Tests.Sandbox;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Tests;

/// <summary>
/// A program that seals and installs code as fast as it can, and a child of the same user that opens and changes every
/// memory file of that program. Both are children of a test; where the tests run as root they run as
/// another user, because root may do everything anyway.
/// </summary>
internal static unsafe partial class CodeRace
{
    public const string Target = "CROSSCORE_TEST_TARGET";
    public const string Trials = "CROSSCORE_RACE_TRIALS";
    private const string Victim = "CROSSCORE_TEST_VICTIM";

    /// <summary>Live pieces that are looked at again, to give the attacker time to write to them.</summary>
    private const int Kept = 16;

    private const int Descriptors = 4;
    private const int MostLeases = 4;
    private const int SetDumpable = 4; // PR_SET_DUMPABLE

    /// <summary>What the attacker does in turn, and which of it is the lease.</summary>
    private const int Acts = 12;
    private const int Lease = 11;
    private const int CodePages = 3;
    private const int O_RDWR = 2;
    private const int O_CLOEXEC = 0x80000;

    private static readonly int Page = Environment.SystemPageSize;

    /// <summary>
    /// Three pages of "mov eax, 42; ret" and, behind, the attacker's "xor eax, eax; ret; nop..." to write there.
    /// </summary>
    private static readonly byte[] Code = Filled(MachineCode.Return42);
    private static readonly byte[] Attack = Filled([0x31, 0xC0, 0xC3, 0x90, 0x90, 0x90]);

    public enum Way
    {
        Seal,
        Install,
        Live,

        /// <summary>As Seal, by a process that is not dumpable (PR_SET_DUMPABLE).</summary>
        NotDumpable,

        /// <summary>As Seal, attacked by another user.</summary>
        OtherUser,
        UnprotectedInstall,
        UnprotectedLive,
    }

    /// <summary>Runs one way and prints "changed fine opened refused slowest", the last in whole seconds.</summary>
    public static int RunVictim()
    {
        Way way = Enum.Parse<Way>(Environment.GetEnvironmentVariable(Target)!);
        int trials = int.Parse(Environment.GetEnvironmentVariable(Trials)!, CultureInfo.InvariantCulture);
        bool untilSeen = way is Way.UnprotectedInstall or Way.UnprotectedLive;
        if (way == Way.Live)
        {
            LiveCode.Install(Code).Dispose(); // What the first one opens stays open.
        }

        if (way == Way.NotDumpable && SetProcess(SetDumpable, 0, 0, 0, 0) != 0)
        {
            return 1;
        }

        using Process attacker = StartAttacker(way == Way.OtherUser ? AsOtherUser : []);
        _ = attacker.StandardOutput.ReadLine(); // It is about to begin; a trial before that would prove nothing.
        var watch = Stopwatch.StartNew();
        int changed = 0;
        int fine = 0;
        TimeSpan slowest = default;
        var refused = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var kept = new Queue<(nint Address, Action Dispose)>();
        for (
            int trial = 0;
            untilSeen ? changed == 0 && watch.Elapsed < TimeSpan.FromSeconds(100) : trial < trials;
            trial++
        )
        {
            TimeSpan began = watch.Elapsed;
            try
            {
                bool right = way switch
                {
                    Way.Seal or Way.NotDumpable or Way.OtherUser => SealExactly(),
                    Way.Install => InstallExactly(),
                    Way.Live => Live(kept),
                    Way.UnprotectedInstall => UnprotectedInstall(),
                    _ => UnprotectedLive(kept),
                };
                changed += right ? 0 : 1;
                fine += right ? 1 : 0;
            }
            catch (CodeException refusal)
            {
                string cause = refusal.Failure.ToString();
                refused[cause] = refused.GetValueOrDefault(cause) + 1;
            }

            slowest = new[] { slowest, watch.Elapsed - began }.Max();
        }

        attacker.StandardInput.Close();
        int opened = int.Parse(attacker.StandardOutput.ReadToEnd(), CultureInfo.InvariantCulture);
        attacker.WaitForExit();
        string causes = string.Join(',', refused.Select(cause => $"{cause.Key}={cause.Value}"));
        Console.WriteLine(
            $"{changed} {fine} {opened} {(causes.Length == 0 ? "-" : causes)} {(int)slowest.TotalSeconds}"
        );
        return 0;
    }

    /// <summary>Opens the victim's memory files until its input ends, and does something to each.</summary>
    public static int RunAttacker()
    {
        string victim = Environment.GetEnvironmentVariable(Victim)!;
        int first = int.Parse(Console.In.ReadLine()!, CultureInfo.InvariantCulture);
        bool ended = false;
        var input = new Thread(() =>
        {
            _ = Console.In.Read();
            Volatile.Write(ref ended, true);
        });
        input.Start();
        byte[][] paths =
        [
            .. Enumerable
                .Range(first, Descriptors)
                .Select(number => System.Text.Encoding.UTF8.GetBytes($"/proc/{victim}/fd/{number}\0")),
        ];
        var mapped = new Queue<(nint Address, nuint Length)>();
        var leased = new Queue<int>();
        int opened = 0;
        Console.WriteLine("ready");
        for (int turn = 0; !Volatile.Read(ref ended); turn++)
        {
            fixed (byte* path = paths[turn % Descriptors])
            {
                // SAFETY: ends in a null byte.
                int file = Open(path, O_RDWR | O_CLOEXEC | OpenFile.O_NONBLOCK, 0); // does not wait for its lease
                if (file >= 0)
                {
                    if (Memfd.GetSeals(file) >= 0)
                    {
                        opened++;
                        Act(file, opened, mapped);
                        if (opened % Acts == Lease && TakeLease(file))
                        {
                            leased.Enqueue(file);
                            file = leased.Count > MostLeases ? leased.Dequeue() : -1;
                        }
                    }

                    _ = CloseFile(file);
                }
            }

            foreach ((nint address, nuint length) in mapped)
            {
                Overwrite(address, length);
            }
        }

        Console.WriteLine(opened);
        return 0;
    }

    private static void Act(int file, int turn, Queue<(nint Address, nuint Length)> mapped)
    {
        fixed (byte* attack = Attack)
        {
            // SAFETY: as many bytes as the array has.
            switch (turn % Acts)
            {
                case Lease:
                    break; // Kept by the caller, for as long as the file is open.
                case 8:
                    _ = ChangeMode(file, 0);
                    break;
                case 9:
                    _ = Memfd.AddSeals(file, Memfd.F_SEAL_WRITE);
                    break;
                case 10:
                    _ = Memfd.AddSeals(file, Memfd.F_SEAL_FUTURE_WRITE);
                    break;
                case 0:
                    _ = Truncate(file, 0);
                    break;
                case 1:
                    _ = Truncate(file, (2 * Page) + 1);
                    break;
                case 2:
                    _ = Memfd.AddSeals(file, Memfd.F_SEAL_SEAL);
                    break;
                case 3:
                    _ = Truncate(file, 1 << 20);
                    break;
                case 4 or 5:
                    _ = Write(file, attack, (nuint)Attack.Length, 0);
                    break;
                default:
                    nuint length = (nuint)(CodePages * Page);
                    nint address = Mapping.Map(
                        length,
                        Mapping.PROT_READ | Mapping.PROT_WRITE,
                        Mapping.MAP_SHARED,
                        file
                    );
                    if (!Mapping.IsError(address))
                    {
                        mapped.Enqueue((address, length));
                        if (mapped.Count > 24)
                        {
                            (nint old, nuint oldLength) = mapped.Dequeue();
                            _ = Mapping.Unmap(old, oldLength);
                        }
                    }

                    break;
            }
        }
    }

    /// <summary>
    /// A write lease: who opens the file waits until it is given up. Its signal is one that nothing minds.
    /// </summary>
    private static bool TakeLease(int file)
    {
        const int WriteLease = 1; // F_WRLCK
        const int Ignored = 23; // SIGURG
        return Fcntl(file, Memfd.F_SETSIG, Ignored) == 0 && Fcntl(file, Memfd.F_SETLEASE, WriteLease) == 0;
    }

    /// <summary>By the kernel, which answers where a store behind the end of a file would end the process.</summary>
    private static void Overwrite(nint address, nuint length)
    {
        fixed (byte* attack = Attack)
        {
            var from = new Vector { Base = attack, Length = length };
            var to = new Vector { Base = (void*)address, Length = length };

            // SAFETY: both lie in this process; the target is mapped writable.
            _ = ProcessVmWritev(Environment.ProcessId, &from, 1, &to, 1, 0);
        }
    }

    private static bool SealExactly()
    {
        using SealedCode code = SealedCode.Seal(Code, new OnlyThose());
        byte[] content = new byte[Code.Length];
        return RandomAccess.GetLength(code.File) > Code.Length
            && RandomAccess.Read(code.File, content, 0) == Code.Length
            && content.AsSpan().SequenceEqual(Code);
    }

    private static bool InstallExactly()
    {
        using SealedCode code = SealedCode.Seal(Code);
        using InstalledCode installed = code.Install();
        return Same(installed.Address) && MachineCode.Call(installed) == 42;
    }

    private static bool Live(Queue<(nint Address, Action Dispose)> kept)
    {
        LiveCode code = LiveCode.Install(Code);
        kept.Enqueue((code.Address, code.Dispose));
        return LookAgain(kept);
    }

    private static bool UnprotectedInstall()
    {
        using SafeFileHandle file = UnprotectedFile();
        if (Memfd.AddSeals((int)file.DangerousGetHandle(), SealedFile.FinalSeals) < 0)
        {
            return true;
        }

        if (RandomAccess.GetLength(file) != Code.Length)
        {
            return false;
        }

        nint address = Mapping.Map(
            (nuint)Code.Length,
            Mapping.PROT_READ | Mapping.PROT_EXEC,
            Mapping.MAP_SHARED,
            (int)file.DangerousGetHandle()
        );
        bool same = Same(address);
        _ = Mapping.Unmap(address, (nuint)Code.Length);
        return same;
    }

    /// <summary>
    /// As live code was installed before: sealed against further mappings, with those that were there.
    /// </summary>
    private static bool UnprotectedLive(Queue<(nint Address, Action Dispose)> kept)
    {
        using SafeFileHandle file = UnprotectedFile();
        const int Seals = Memfd.F_SEAL_FUTURE_WRITE | Memfd.F_SEAL_SHRINK | Memfd.F_SEAL_GROW | Memfd.F_SEAL_SEAL;
        int descriptor = (int)file.DangerousGetHandle();
        if (Memfd.AddSeals(descriptor, Seals) < 0 || RandomAccess.GetLength(file) != Code.Length)
        {
            return true; // Only what is changed later counts here.
        }

        nint address = Mapping.Map(
            (nuint)Code.Length,
            Mapping.PROT_READ | Mapping.PROT_EXEC,
            Mapping.MAP_SHARED,
            descriptor
        );
        if (!Same(address))
        {
            _ = Mapping.Unmap(address, (nuint)Code.Length);
            return true;
        }

        kept.Enqueue((address, () => _ = Mapping.Unmap(address, (nuint)Code.Length)));
        return LookAgain(kept);
    }

    private static SafeFileHandle UnprotectedFile()
    {
        var file = new SafeFileHandle(
            Memfd.Create("unprotected"u8, Memfd.MFD_ALLOW_SEALING | Memfd.MFD_CLOEXEC),
            ownsHandle: true
        );
        fixed (byte* code = Code)
        {
            // SAFETY: as many bytes as the array has.
            _ = Write((int)file.DangerousGetHandle(), code, (nuint)Code.Length, 0);
        }

        return file;
    }

    private static bool LookAgain(Queue<(nint Address, Action Dispose)> kept)
    {
        bool right = true;
        foreach ((nint address, _) in kept)
        {
            right &= Same(address) && MachineCode.Call(address) == 42;
        }

        if (kept.Count > Kept)
        {
            kept.Dequeue().Dispose();
        }

        return right;
    }

    // SAFETY: mapped for as long as this takes
    private static bool Same(nint address) => new ReadOnlySpan<byte>((void*)address, Code.Length).SequenceEqual(Code);

    /// <summary>The command that starts another as a user without rights; only root may use it.</summary>
    public static string[] AsOtherUser { get; } =
    ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];

    private static Process StartAttacker(string[] before)
    {
        ProcessStartInfo start = ThisProgram(before, Child.RaceAttack);
        start.RedirectStandardInput = true;
        start.Environment[Victim] = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        Process attacker = Process.Start(start)!;

        // The kernel gives the lowest number that is free, so the next files have this one and those after it.
        using SafeFileHandle next = File.OpenHandle("/dev/null");
        attacker.StandardInput.WriteLine(next.DangerousGetHandle().ToString(CultureInfo.InvariantCulture));
        attacker.StandardInput.Flush();
        return attacker;
    }

    /// <summary>This program as the child of a test, behind a command that starts it.</summary>
    public static ProcessStartInfo ThisProgram(string[] before, string task)
    {
        string[] command = [.. before, .. Raw.ChildProcess.CommandFor(task)];
        return new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
    }

    private static byte[] Filled(byte[] function)
    {
        byte[] code = new byte[CodePages * Page];
        for (int at = 0; at < code.Length; at++)
        {
            code[at] = function[at % function.Length];
        }

        code.AsSpan(code.Length / function.Length * function.Length).Fill(0x90);
        return code;
    }

    private sealed class OnlyThose : ICodeVerifier
    {
        public CodeVerdict Verify(CodeToVerify code) =>
            code.Bytes.SequenceEqual(Code) ? CodeVerdict.Accepted : CodeVerdict.Refused("other bytes");
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        public void* Base;
        public nuint Length;
    }

    [LibraryImport("libc", EntryPoint = "open")]
    private static partial int Open(byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseFile(int file);

    [LibraryImport("libc", EntryPoint = "fchmod")]
    private static partial int ChangeMode(int file, uint mode);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Fcntl(int file, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int SetProcess(int option, nint second, nint third, nint fourth, nint fifth);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    private static partial int Truncate(int file, long length);

    [LibraryImport("libc", EntryPoint = "pwrite")]
    private static partial nint Write(int file, byte* bytes, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "process_vm_writev")]
    private static partial nint ProcessVmWritev(
        int process,
        Vector* from,
        nuint count,
        Vector* to,
        nuint toCount,
        nuint flags
    );
}
