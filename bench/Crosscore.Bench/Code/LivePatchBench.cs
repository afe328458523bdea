using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Crosscore.Code;

namespace Crosscore.Bench.Code;

/// <summary>
/// What a change to code costs while a sibling executes that code on another processor: by each method, for one site
/// and for a hundred, against what hooking libraries do.
/// </summary>
internal static unsafe partial class LivePatchBench
{
    private const int Spacing = 64;
    private const int Rounds = 400;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    public static void Run()
    {
        if (
            !OperatingSystem.IsLinux()
            || RuntimeInformation.ProcessArchitecture != Architecture.X64
            || Environment.ProcessorCount < 2
        )
        {
            Console.WriteLine();
            Console.WriteLine("Live code: needs Linux on x86-64 and two processors");
            return;
        }

        var table = new Table(
            "Changes to code that a sibling is executing (medians a "
                + "site; ratio: to mprotect and store, which is not safe)",
            "how",
            "sites",
            "method",
            "synchronizations",
            "ns a site",
            "ratio"
        );
        double peer = MprotectAndStore();
        table.Add("mprotect RWX, store, mprotect RX", "1", "none", "0", Text(peer), Table.Ratio(peer, peer));
        foreach (
            (string how, int offset, int sites, bool anew) in new[]
            {
                ("within aligned 8 bytes", 0, 1, false),
                ("within aligned 8 bytes", 0, 100, false),
                ("across a cache line", 61, 1, false),
                ("across a cache line", 61, 10, false),
                ("across a cache line", 61, 100, false),
                ("across a cache line", 61, 1000, false),
                ("the same, a new patch each time", 61, 100, true),
            }
        )
        {
            (double time, PatchPlan plan) = Patch(offset, sites, anew);
            table.Add(
                how,
                sites.ToString(CultureInfo.InvariantCulture),
                plan.Method.ToString(),
                plan.Synchronizations.ToString(CultureInfo.InvariantCulture),
                Text(time),
                Table.Ratio(time, peer)
            );
        }

        table.Print();
    }

    private static (double Nanoseconds, PatchPlan Plan) Patch(int offset, int sites, bool anew)
    {
        // mov eax, imm32; ret at the same offset of each 64 bytes; before the first one, the loop that the sibling
        // stays in.
        byte[] code = new byte[(sites + 2) * Spacing];
        code.AsSpan().Fill(0xCC);
        for (int site = 0; site < sites; site++)
        {
            ((ReadOnlySpan<byte>)[0xB8, 0, 0, 0, 0, 0xC3]).CopyTo(code.AsSpan(Spacing + (site * Spacing) + offset));
        }

        using LiveCode live = LiveCode.Install(code);
        var patches = new CodePatch[2];
        CodePatch Make(int version)
        {
            var patch = new CodePatch();
            for (int site = 0; site < sites; site++)
            {
                _ = patch.Replace(
                    live,
                    Spacing + (site * Spacing) + offset + 1,
                    [(byte)version, (byte)version, (byte)version, (byte)version]
                );
            }

            return patch;
        }

        for (int version = 0; version < 2; version++)
        {
            patches[version] = Make(version);
        }

        PatchPlan plan = patches[1].Plan();
        using var sibling = new ExecutingSibling(live.Address + Spacing + offset, sites, Spacing);
        int next = 1;
        double time = Median(
            sibling,
            () =>
            {
                _ = (anew ? Make(next) : patches[next]).Commit();
                next ^= 1;
            }
        );
        return (time / sites, plan);
    }

    private static double MprotectAndStore()
    {
        const int ReadExecute = 5;
        const int ReadWriteExecute = 7;
        nint page = Mmap(0, 4096, ReadWriteExecute, 0x22, -1, 0);
        // SAFETY: a fresh page of 4096 bytes.
        ((ReadOnlySpan<byte>)[0xB8, 0, 0, 0, 0, 0xC3]).CopyTo(new Span<byte>((void*)page, 6));
        using var sibling = new ExecutingSibling(page, 1, Spacing);
        int value = 0;
        double time = Median(
            sibling,
            () =>
            {
                _ = Mprotect(page, 4096, ReadWriteExecute);
                *(int*)(page + 1) = ++value; // SAFETY: the immediate, inside of the page.
                _ = Mprotect(page, 4096, ReadExecute);
            }
        );
        return time; // The page stays: nothing else is mapped where the sibling was.
    }

    private static double Median(ExecutingSibling sibling, Action change)
    {
        // The compiler's work: it looks at what runs often every tenth of a second.
        long began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < WarmUp)
        {
            change();
        }

        var times = new List<double>();
        began = Stopwatch.GetTimestamp();
        while (times.Count < Rounds && Stopwatch.GetElapsedTime(began) < Patience)
        {
            if (!sibling.SeenRunning())
            {
                Thread.Sleep(1); // both threads may share a processor: let the scheduler think again
                continue;
            }

            long start = Stopwatch.GetTimestamp();
            change();
            double time = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            if (sibling.SeenRunning())
            {
                times.Add(time);
            }
        }

        times.Sort();
        return times.Count == 0 ? double.NaN : times[times.Count / 2];
    }

    private static string Text(double nanoseconds) =>
        double.IsNaN(nanoseconds) ? "the sibling never ran" : nanoseconds.ToString("N0", CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Mmap(
        nint address,
        nuint length,
        int protection,
        int flags,
        int descriptor,
        nint offset
    );

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Mprotect(nint address, nuint length, int protection);

    /// <summary>Calls functions one after the other, all the time.</summary>
    private sealed class ExecutingSibling : IDisposable
    {
        private readonly Thread _thread;
        private long _progress;
        private volatile bool _over;

        public ExecutingSibling(nint first, int count, int spacing)
        {
            _thread = new Thread(() =>
            {
                while (!_over)
                {
                    for (int index = 0; index < count; index++)
                    {
                        // SAFETY: complete functions without arguments, mapped until after this thread has ended.
                        _ = ((delegate* unmanaged[SuppressGCTransition]<int>)(first + (index * spacing)))();
                    }

                    Volatile.Write(ref _progress, _progress + 1);
                }
            })
            {
                IsBackground = true,
            };
            _thread.Start();
        }

        public bool SeenRunning()
        {
            long before = Volatile.Read(ref _progress);
            for (int look = 0; look < 100_000; look++)
            {
                if (Volatile.Read(ref _progress) != before)
                {
                    return true;
                }
            }

            return false;
        }

        public void Dispose()
        {
            _over = true;
            _thread.Join();
        }
    }
}
