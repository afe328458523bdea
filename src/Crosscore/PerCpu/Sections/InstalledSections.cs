using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// The sections installed in this process, each once, for good. A thread's area keeps the address of the last
/// descriptor it used until the kernel, some time later, finds the thread elsewhere and clears it; until then the
/// kernel reads the descriptor and the four bytes before its abort address, and ends the process where it cannot. No
/// call tells when the last thread has been through that, a sleeping thread may take for ever, so nothing here is ever
/// freed. Equal programs share their code: what a process holds is bounded by how many different ones it writes.
/// </summary>
internal static unsafe class InstalledSections
{
    private static readonly Dictionary<(string Program, SectionVariant Variant), InstalledSection> Installed = [];
    private static readonly Lock Installing = new();

    /// <summary>
    /// A slot for each CPU that may come online. Never too few, so an answer that was refused once may stay.
    /// </summary>
    public static int CpuSlots { get; } = PossibleCpus();

    /// <exception cref="CodeException">Memory was refused; the message says why. Nothing is left behind, and the next
    /// call tries again.</exception>
    public static InstalledSection Install(SectionProgram program, SectionVariant variant)
    {
        string text = program.Text;
        CodeEvents.Publish(); // not under the lock: it calls listeners
        using (new HeldLock(Installing))
        {
            if (!Installed.TryGetValue((text, variant), out InstalledSection? installed))
            {
                installed = CodeQuestion.Ask(() => InstallNow(program, variant));
                Installed.Add((text, variant), installed);
            }

            return installed;
        }
    }

    /// <summary>The same; null where memory is refused at this moment, for those who can do without.</summary>
    public static InstalledSection? InstallIfPossible(SectionProgram program, SectionVariant variant)
    {
        try
        {
            return Install(program, variant);
        }
        catch (CodeException)
        {
            return null;
        }
    }

    /// <summary>Where the code begins; 0 where memory is refused at this moment.</summary>
    public static nint TryInstall(SectionProgram program, SectionVariant variant) =>
        InstallIfPossible(program, variant)?.Entry ?? 0;

    private static InstalledSection InstallNow(SectionProgram program, SectionVariant variant)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        nint descriptor = Mapping.Map(
            page,
            Mapping.PROT_READ | Mapping.PROT_WRITE,
            Mapping.MAP_PRIVATE | Mapping.MAP_ANONYMOUS,
            -1
        );
        if (Mapping.IsError(descriptor))
        {
            throw new CodeException(
                CodeFailure.OutOfMemory,
                $"mmap answered {Errno.Name((int)-descriptor)}: no memory for the descriptor of a section.",
                (int)-descriptor
            );
        }

        InstalledCode? installed = null;
        try
        {
            SectionCode code = SectionEmitter.Emit(
                program,
                RegisterChoice.Choose(program)!,
                RseqArea.Here.Offset,
                descriptor,
                variant
            );
            var writer = new CodeWriter("per-cpu section"); // the name that perf and /proc/PID/maps show
            _ = writer.Append(code.Bytes);
            using SealedCode sealedCode = writer.Seal();
            installed = sealedCode.Install();
            // SAFETY: the page was mapped writable above, and no code that names it has been given to any thread yet.
            *(RseqCall.Descriptor*)descriptor = new RseqCall.Descriptor
            {
                StartIp = (ulong)(installed.Address + code.Start),
                PostCommitOffset = (ulong)(code.PostCommit - code.Start),
                AbortIp = (ulong)(installed.Address + code.Abort),
            };

            // A stray store to a descriptor would send a thread to an address of its choosing, so it can no more be
            // changed than the code.
            int answer = Mapping.Protect(descriptor, page, Mapping.PROT_READ);
            return answer < 0
                ? throw CodeRefusal.MemoryFile("mprotect of the descriptor of a section", -answer)
                : new InstalledSection(installed, descriptor, code);
        }
        catch
        {
            // Here both may go: no thread has run the code, so none has its pointer set to the descriptor.
            installed?.Dispose();
            Leftovers.Unmap(descriptor, page);
            throw;
        }
    }

    private static int PossibleCpus()
    {
        string? list = ThisKernel.Instance.PossibleCpus;
        int last = list is null ? -1 : CpuList.Last(list);
        if (last >= 0)
        {
            return last + 1;
        }

        // Without the list, whose reading takes a descriptor and /sys: as many as any kernel has where slots cost
        // addresses only, and as many as the runtime sees elsewhere, where processors share a slot without harm.
        return OperatingSystem.IsLinux() ? Affinity.MaskLength * 8 : Math.Max(Environment.ProcessorCount, 64);
    }
}

/// <summary>A section in place. It holds its code, which therefore stays installed.</summary>
internal sealed record InstalledSection(InstalledCode Code, nint Descriptor, SectionCode Parts)
{
    public nint Entry { get; } = Code.Address;
}
