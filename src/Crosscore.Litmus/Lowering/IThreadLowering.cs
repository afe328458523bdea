using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>A column being lowered, whatever its architecture.</summary>
internal interface IThreadLowering
{
    /// <summary>The model's register for one of the processor's.</summary>
    int ModelRegister(TestRegister register);

    /// <summary>The column as code of the model; call it after the last <see cref="ModelRegister"/>.</summary>
    ThreadCode Build();
}
