using Crosscore.Code;
using Crosscore.Isa;
using Crosscore.Linux;

namespace Crosscore.PerCpu;

/// <summary>
/// Functions of two instructions that read the calling thread's own area: C# has no access relative to the thread
/// pointer.
/// </summary>
/// <param name="Code">What holds them.</param>
/// <param name="ThreadPointer">mov rax, fs:[0]; ret - the ABI keeps the pointer at its own address (ELF TLS, variant
/// II).</param>
/// <param name="CpuId">mov eax, fs:[cpu_id]; ret</param>
/// <param name="ConcurrencyId">mov eax, fs:[mm_cid]; ret</param>
internal sealed record FieldReaders(InstalledCode Code, nint ThreadPointer, nint CpuId, nint ConcurrencyId)
{
    /// <exception cref="CodeException">Refused now.</exception>
    public static FieldReaders Install(int areaOffset)
    {
        var writer = new CodeWriter("per-cpu fields"); // the name that perf and /proc/PID/maps show
        CodeFunction threadPointer = Append(code => code.LoadThreadPointer());
        CodeFunction cpuId = Append(code => code.LoadThreadField(areaOffset + RseqCall.CpuIdOffset));
        CodeFunction concurrencyId = Append(code => code.LoadThreadField(areaOffset + RseqCall.ConcurrencyIdOffset));
        using SealedCode code = writer.Seal();
        InstalledCode installed = code.Install();
        return new FieldReaders(
            installed,
            installed.AddressOf(threadPointer),
            installed.AddressOf(cpuId),
            installed.AddressOf(concurrencyId)
        );

        CodeFunction Append(Action<X86_64Encoder> write)
        {
            var encoder = new X86_64Encoder();
            write(encoder);
            encoder.Return();
            return writer.Append(encoder.ToArray());
        }
    }

    // SAFETY: complete functions without arguments, mapped for as long as this object is in use. The area is the
    // thread's own and lives as long as the thread; its first 32 bytes are readable even where it is not registered.
    public unsafe nint ReadThreadPointer() => ((delegate* unmanaged[SuppressGCTransition]<nint>)ThreadPointer)();

    public unsafe int ReadCpuId() => ((delegate* unmanaged[SuppressGCTransition]<int>)CpuId)();

    public unsafe int ReadConcurrencyId() => ((delegate* unmanaged[SuppressGCTransition]<int>)ConcurrencyId)();
}
